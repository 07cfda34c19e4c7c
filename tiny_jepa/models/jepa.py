"""The JEPA that joins encoders and predictor: one frame and a sequence of actions in, a representation of every
future frame out (LeCun 2022, "A path towards autonomous machine intelligence")."""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from einops import pack, unpack
from torch import Tensor, nn

from tiny_jepa.errors import UserError
from tiny_jepa.models.encoder import AgentEncoder, LayoutEncoder, deviations, marginals, with_edges
from tiny_jepa.models.lift import lift
from tiny_jepa.models.predictor import GatedCell
from tiny_jepa.options import Checked, Numbers, Within
from tiny_jepa.worlds import DEFAULT
from tiny_jepa.worlds.codes import was_made
from tiny_jepa.worlds.contract import Frame

Kernel = Annotated[int, Within(1, 63, step=2)]
"""Taps, up to about a frame's side."""


@dataclass(frozen=True)
class Architecture(Checked):
    """What a weights file says of a model's form: enough to build it again."""

    agent_kernel: Kernel = 5  # taps of the agent encoder's filter, an odd number
    layout_kernel: Kernel = 9  # taps of the layout encoder's two, likewise
    gate_widths: Annotated[Numbers, Within(1, 10**5)] = (16, 16)  # hidden widths of the gate; solved for unless given
    repr_dim: Annotated[int, Within(0, 10**5)] = 512  # of the lifted representation; 0 leaves the lift off

    def __post_init__(self) -> None:
        super().__post_init__()
        if 0 < self.repr_dim < 4:
            raise UserError(f"--repr-dim must be 0 (no lift) or at least 4, not {self.repr_dim}")


def expanded(part: Tensor, batch: torch.Size) -> Tensor:
    """part [..., D] -> [*batch, D]; itself where it is so already, so that its gradient takes no way round."""
    return part if part.shape[:-1] == batch else part.expand(*batch, -1)


class JEPA(nn.Module):
    """`model(states, actions) -> [B, T, D]`; `repr_dim` is D. `frame` says what its frames hold."""

    metadata: dict[str, Any]
    """Of the weights file that the model was read from; empty otherwise."""

    def __init__(self, architecture: Architecture, frame: Frame = DEFAULT.frame) -> None:
        super().__init__()
        self.metadata, self.frame = {}, frame
        a = self.architecture = architecture
        self.agent_encoder = AgentEncoder(a.agent_kernel, frame)
        self.layout_encoder = LayoutEncoder(a.layout_kernel, frame)
        self.predictor = GatedCell(a.gate_widths, frame)
        self.repr_dim = a.repr_dim or 2

    def fresh_predictor(self, seed: int) -> GatedCell:
        """An untrained predictor of this architecture, drawn from `seed` without touching the global generator."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return GatedCell(self.architecture.gate_widths, self.frame)

    def agent_profiles(self, frames: Tensor) -> Tensor:
        """frames [N, C, H, W], uint8 or float -> what the agent encoder takes: [N, 2, S] of its channel, or
        [N, C, 2, S]."""
        return deviations(frames) if self.frame.agent is None else marginals(frames[:, self.frame.agent])

    def layout_profiles(self, frames: Tensor) -> Tensor:
        """frames [N, C, H, W], uint8 or float -> what the layout encoder takes, likewise; in pixels, where the largest
        deviation counts as a whole row."""
        if self.frame.layout is not None:
            return marginals(frames[:, self.frame.layout])
        return frames.shape[-1] * deviations(frames)

    def encode_agent(self, frames: Tensor | np.ndarray) -> Tensor:
        """frames [..., C, H, W], uint8 or float: one, or any number of them -> agent codes [..., 2] in code units."""
        flat, shape = self.as_frames(frames)
        return unpack(self.agent_encoder(self.agent_profiles(flat)), shape, "* d")[0]

    def encode_layout(self, frames: Tensor | np.ndarray) -> Tensor:
        """frames [..., C, H, W], uint8 or float -> layout codes [..., L] in code units."""
        flat, shape = self.as_frames(frames)
        return unpack(self.layout_encoder(self.layout_profiles(flat)), shape, "* d")[0]

    def encode_context(self, frames: Tensor | np.ndarray) -> Tensor:
        """frames [..., C, H, W] -> what does not move [..., L + 2], for the predictor: layout code and far edge."""
        return self.context_of(self.encode_layout(frames), frames.shape[-1])

    def context_of(self, layout: Tensor, side: int) -> Tensor:
        """layout codes [..., L] of frames of `side` px -> contexts [..., L + 2]."""
        return with_edges(layout, side + self.frame.beyond, self.frame.unit)

    def as_frames(self, frames: Tensor | np.ndarray) -> tuple[Tensor, Any]:
        """frames [..., C, H, W] -> the same on the model's device [N, C, H, W], and what `unpack` needs."""
        return pack([torch.as_tensor(frames, device=self.predictor.action.device)], "* c h w")

    def code_range(self, frames: Tensor | np.ndarray) -> tuple[float, float]:
        """The least and the largest coordinate that the agent code of such frames can have, in code units."""
        return 0.0, (frames.shape[-1] - 1) / self.frame.unit

    def step(self, code: Tensor, action: Tensor, context: Tensor) -> Tensor:
        """code [..., 2], action [..., 2] px, context [..., L + 2] -> next code [..., 2]. What comes before the last
        dimension broadcasts: many actions tried from one code, say."""
        batch = torch.Size(np.broadcast_shapes(*(part.shape[:-1] for part in (code, action, context))))
        return self.predictor(*(expanded(part, batch) for part in (code, action, context)))

    def unroll(self, code: Tensor, actions: Tensor, context: Tensor) -> Tensor:
        """Recurrent unroll: code [..., 2] of the first frame, actions [..., T-1, 2] px, context [..., L + 2], which
        broadcast as those of `step` -> predicted codes [..., T, 2]; the first is the given one."""
        codes = [code]
        for action in actions.unbind(-2):
            codes.append(self.step(codes[-1], action, context))
        return torch.stack([expanded(each, codes[-1].shape[:-1]) for each in codes], dim=-2)

    def was_made(self, before: Tensor, after: Tensor, action: Tensor) -> Tensor:
        """Whether an action [..., 2] px took the agent along from code `before` to code `after` [..., 2], rather than
        leaving it where it was -> [...] bool."""
        return was_made(before, after, self.predictor.action * action)

    def forward(self, states: Tensor, actions: Tensor) -> Tensor:
        """states [B, >=1, C, H, W], of which only the first frame is used; actions [B, T-1, 2] px
        -> representations [B, T, D] of every frame."""
        first = states[:, 0]
        codes = self.unroll(self.encode_agent(first), actions.float(), self.encode_context(first))
        return lift(codes, self.architecture.repr_dim) if self.architecture.repr_dim else codes
