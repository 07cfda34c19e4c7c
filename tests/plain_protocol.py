"""The protocol as the course's starter code has it: no cache, no vectorised sampling, one forward pass a batch and
epoch. Written from the protocol's description, only without its hard-coded folder and GPU; slow and easy to check."""

import math

import torch
from torch import nn

MEAN, STD = torch.tensor([31.5863, 32.0618]), torch.tensor([16.1025, 16.1353])


def plain(loader, changes=(), **other):
    """A loader of which nothing is known but its batches, with `changes`, and their number and size; or `other`."""
    known = {"__len__": lambda _: len(loader), "batch_size": loader.batch_size}
    known |= {"__iter__": lambda _: (batch._replace(**dict(changes)) for batch in loader)} | other
    return type("Plain", (), {name: value for name, value in known.items() if value is not None})()


class StarterEvaluator:
    """`draw(n_steps)` gives the order of the time steps of one trajectory, `torch.randperm` in the starter."""

    def __init__(self, model, train, val, epochs=20, lr=2e-4, samples=30, draw=torch.randperm):
        self.model, self.train, self.val = model.eval(), train, val
        self.epochs, self.lr, self.samples, self.draw = epochs, lr, samples, draw

    def represent(self, batch):
        """Representations [T, B, D], time first, and normalised targets [B, T, 2]."""
        with torch.no_grad():
            found = self.model(states=batch.states[:, 0:1], actions=batch.actions)
        return found.transpose(0, 1), (batch.locations.float() - MEAN) / STD

    def train_pred_prober(self):
        prober = nn.Sequential(nn.Linear(self.model.repr_dim, 256), nn.ReLU(), nn.Linear(256, 2))
        optimizer = torch.optim.Adam(prober.parameters(), self.lr)
        base = self.lr * self.train.batch_size / 256
        max_steps = self.epochs * len(self.train)
        warmup = int(0.10 * max_steps)
        for step, batch in enumerate(batch for _ in range(self.epochs) for batch in self.train):
            encs, target = self.represent(batch)
            n_steps, bs = encs.shape[:2]
            if self.samples < n_steps:
                all_encs, all_targets = encs, target
                encs, target = torch.empty(self.samples, bs, encs.shape[2]), torch.empty(bs, self.samples, 2)
                for i in range(bs):
                    chosen = self.draw(n_steps)[: self.samples]
                    encs[:, i], target[i] = all_encs[chosen, i], all_targets[i, chosen]
            predicted = torch.stack([prober(x) for x in encs], dim=1)
            optimizer.zero_grad()
            (predicted - target).square().mean(dim=0).mean().backward()
            optimizer.step()
            if step < warmup:
                lr = base * step / warmup
            else:
                q = 0.5 * (1 + math.cos(math.pi * (step - warmup) / (max_steps - warmup)))
                lr = base * q + base * 0.001 * (1 - q)
            for group in optimizer.param_groups:
                group["lr"] = lr
        return prober

    @torch.no_grad()
    def evaluate_all(self, prober):
        found = {}
        for name, loader in self.val.items():
            pairs = map(self.represent, loader)
            losses = [(torch.stack([prober(x) for x in encs], 1) - target).square().mean(0) for encs, target in pairs]
            found[name] = (torch.stack(losses).mean(dim=0) * STD.square()).mean().item()
        return found
