"""The JEPA that joins encoder, map and predictor: one frame and a sequence of actions in, a representation of every
future frame out (LeCun 2022, "A path towards autonomous machine intelligence")."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from einops import pack, reduce, repeat, unpack
from torch import Tensor, nn
from torch.nn.functional import pad

from tiny_jepa.errors import UserError
from tiny_jepa.models.colours import moving_colour, unmixed
from tiny_jepa.models.encoder import AgentEncoder, marginals
from tiny_jepa.models.map import Maps, widened
from tiny_jepa.models.predictor import GatedCell
from tiny_jepa.settings import Architecture
from tiny_jepa.worlds.contract import Frame, as_finite, as_tensor

CENTRE = 2.0  # code units (32 px): about the middle of a room, whatever the image size
CODE_SCALE = 0.25
CONSTANT, SHARE = 16.0, 4  # one in `SHARE` of the lifted numbers is `CONSTANT`


class JEPA(nn.Module):
    """`model(states, actions) -> [B, T, D]`; `repr_dim` is D. `frame` says what its frames hold."""

    def __init__(self, architecture: Architecture, frame: Frame) -> None:
        super().__init__()
        self.metadata: dict[str, Any] = {}  # of the weights file that the model was read from
        self.frame, self.architecture = frame, architecture
        self.agent_encoder = AgentEncoder(architecture.agent_kernel, frame)
        self.predictor = GatedCell(architecture, frame)
        self.repr_dim = architecture.repr_dim or 2
        self.float()  # whatever torch's default is

    @property
    def sees(self) -> int:
        """How many pixels of the map on either side of a code, along each axis, a step depends on."""
        return self.predictor.crossings + self.architecture.reach + 1

    def fresh_predictor(self, seed: int) -> GatedCell:
        """An untrained predictor of this architecture, drawn from `seed` without touching the global generator."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return GatedCell(self.architecture, self.frame).float()

    def set_scales(self, crossings: int | None, radius: int | None, up: bool) -> None:
        """How far moves go, how near an agent comes to what stops it, and whether actions count rows upwards; none
        changes a parameter."""
        self.architecture = replace(self.architecture, crossings=crossings, radius=radius, up=up)
        self.predictor.crossings, self.predictor.up = crossings or 2, up

    def as_frames(self, frames: Tensor | np.ndarray) -> tuple[Tensor, Any]:
        """frames [..., C, H, W] -> the same on the model's device [N, C, S, S], and what `unpack` needs. Frames that
        are a whole number of times as large as the frame's `side` are averaged down to it."""
        frames = frames if isinstance(frames, Tensor) else as_tensor(np.asarray(frames))
        channels, side, action = self.frame.channels, self.frame.side or 1, self.predictor.action
        if frames.shape[-3:] != (channels, *frames.shape[-1:] * 2) or frames.shape[-1] < 2 or frames.shape[-1] % side:
            wanted = f"[..., {channels}, S, S], S {'from 2' if side == 1 else f'a multiple of {side}'} px"
            raise UserError(f"frames must be {wanted}, not {list(frames.shape)}")
        if action.dtype != torch.float32:
            raise UserError(f"the model computes in float32, and its weights are {action.dtype}; give model.float()")
        flat, shape = pack([frames.to(action.device)], "* c h w")
        if self.frame.side and (times := frames.shape[-1] // side) > 1:
            flat = reduce(flat.float(), "n c (h a) (w b) -> n c h w", "mean", a=times, b=times)
        return flat, shape

    def unmixed(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Colour frames [N, C, S, S] -> how much of each pixel is wall, and how likely the agent's [N, S, S] each."""
        return unmixed(frames, self.agent_encoder.colour)

    def agent_profiles(self, frames: Tensor) -> Tensor:
        """frames [N, C, S, S] -> what the agent encoder takes: [N, 2, S] of its channel, or of what it alone can be."""
        return marginals(self.unmixed(frames)[1] if self.frame.agent is None else frames[:, self.frame.agent])

    def learn_colour(self, trajectories: Iterable[Tensor]) -> None:
        """Frames [T, C, H, W] of each: from what moves in them, the agent's colour."""
        colour = moving_colour(self.as_frames(frames)[0].float() for frames in trajectories)
        self.agent_encoder.colour = nn.Parameter(colour)

    def take_apart(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Colour frames [T, C, H, W] -> agent profiles [T, 2, S] and maps [T, S, S] uint8, not widened."""
        walls, agents = self.unmixed(self.as_frames(frames)[0])
        return marginals(agents), (255 * walls).round().byte()

    def encode_agent(self, frames: Tensor | np.ndarray) -> Tensor:
        """frames [..., C, H, W], uint8 or float: one, or any number of them -> agent codes [..., 2] in code units."""
        flat, shape = self.as_frames(frames)
        return unpack(self.agent_encoder(self.agent_profiles(flat)), shape, "* d")[0]

    def encode_context(self, frames: Tensor | np.ndarray) -> Tensor:
        """frames [..., C, H, W] -> what does not move, for the predictor: maps [..., S, S] uint8."""
        flat, shape = self.as_frames(frames)
        if self.frame.map is None:
            maps = (255 * self.unmixed(flat)[0]).round().byte()
        else:
            channel = flat[:, self.frame.map].float()  # of any scale: its minimum is 0, its maximum 255
            low, high = channel.amin(dim=(1, 2), keepdim=True), channel.amax(dim=(1, 2), keepdim=True)
            maps = (255 * (channel - low) / (high - low).clamp_min(1e-12)).round().to(torch.uint8)
        return unpack(widened(maps, self.architecture.radius or 0), shape, "* h w")[0]

    def code_range(self, frames: Tensor | np.ndarray) -> tuple[float, float]:
        """The least and the largest coordinate that the agent code of such frames can have, in code units."""
        return 0.0, ((self.frame.side or frames.shape[-1]) - 1) / self.frame.unit

    def step(self, code: Tensor, action: Tensor, context: Tensor) -> Tensor:
        """code [..., 2], action [..., 2] px, context [..., S, S] -> next code [..., 2]. What comes before these
        broadcasts: many actions tried from one code, say."""
        return self.predictor(code, action, Maps.of(context))

    def unroll(self, code: Tensor, actions: Tensor, context: Tensor) -> Tensor:
        """Recurrent unroll: code [..., 2] of the first frame, actions [..., T-1, 2] px, context [..., S, S], which
        broadcast as those of `step` -> predicted codes [..., T, 2]; the first is the given one."""
        codes, maps = [code], Maps.of(context)
        for action in actions.unbind(-2):
            codes.append(self.predictor(codes[-1], action, maps))
        return torch.stack([each.expand_as(codes[-1]) for each in codes], dim=-2)

    def forward(self, states: Tensor, actions: Tensor) -> Tensor:
        """states [B, >=1, C, H, W], of which only the first frame is used; actions [B, T-1, 2] px, in any form that
        numpy or torch knows -> representations [B, T, D] of every frame."""
        states, actions = as_finite(states, "states"), as_finite(actions, "actions").to(self.predictor.action)
        if states.ndim != 5 or not states.shape[1] or actions.shape[::2] != (len(states), 2) or actions.ndim != 3:
            shapes = f"{list(states.shape)} and {list(actions.shape)}"
            raise UserError(f"states must be [B, T, C, H, W] and actions [B, T-1, 2] px, not {shapes}")
        first = states[:, 0]
        codes = self.unroll(self.encode_agent(first), actions, self.encode_context(first))
        return lift(codes, self.architecture.repr_dim) if self.architecture.repr_dim else codes


def lift(code: Tensor, repr_dim: int) -> Tensor:
    """code [..., d] -> representation [..., repr_dim]: a fixed map that adds nothing to what the code holds. A prober
    learns too slowly to read a narrow one out in time (docs/model.md), so the centred code is scaled and tiled; then
    come constants, which keep the prober's hidden units on the linear side of their kink."""
    copies = (repr_dim - repr_dim // SHARE) // code.shape[-1]
    tiled = repeat((code - CENTRE) * CODE_SCALE, "... d -> ... (copies d)", copies=copies)
    return pad(tiled, (0, repr_dim - tiled.shape[-1]), value=CONSTANT)


def count_parameters(model: nn.Module) -> int:
    """Parameters of a module; all of ours are trained."""
    return sum(p.numel() for p in model.parameters())
