"""The protocol as the course's starter code has it: no cache, no vectorised sampling, one forward pass a batch and
epoch. Written from the protocol's description, only without its hard-coded folder and GPU; slow and easy to check."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

MEAN, STD = torch.tensor([31.5863, 32.0618]), torch.tensor([16.1025, 16.1353])


class StarterProber(nn.Module):
    def __init__(self, embedding: int, arch: str, output_shape):
        super().__init__()
        layers = []
        dims = [embedding, *map(int, arch.split("-")), math.prod(output_shape)]
        for i in range(len(dims) - 2):
            layers += [nn.Linear(dims[i], dims[i + 1]), nn.ReLU(True)]
        layers.append(nn.Linear(dims[-2], dims[-1]))
        self.prober = nn.Sequential(*layers)

    def forward(self, e):
        return self.prober(e)


class StarterEvaluator:
    """`draw(n_steps)` gives the order of the time steps of one trajectory, `torch.randperm` in the starter."""

    def __init__(self, model, train, val, epochs=20, lr=2e-4, samples=30, draw=torch.randperm):
        self.model, self.train, self.val = model.eval(), train, val
        self.epochs, self.lr, self.samples, self.draw = epochs, lr, samples, draw

    def represent(self, batch):
        with torch.no_grad():
            return self.model(states=batch.states[:, 0:1], actions=batch.actions)

    def train_pred_prober(self):
        prober = StarterProber(self.model.repr_dim, "256", (2,))
        optimizer = torch.optim.Adam(prober.parameters(), self.lr)
        base = self.lr * self.train.batch_size / 256
        max_steps = self.epochs * len(self.train)
        warmup = int(0.10 * max_steps)
        step = 0
        for _ in range(self.epochs):
            for batch in self.train:
                encs = self.represent(batch).transpose(0, 1)  # time first
                target = (batch.locations.float() - MEAN) / STD
                n_steps, bs = encs.shape[:2]
                if self.samples < n_steps:
                    sampled_encs = torch.empty(self.samples, bs, encs.shape[2])
                    sampled_target = torch.empty(bs, self.samples, 2)
                    for i in range(bs):
                        chosen = self.draw(n_steps)[: self.samples]
                        sampled_encs[:, i] = encs[chosen, i]
                        sampled_target[i] = target[i, chosen]
                    encs, target = sampled_encs, sampled_target
                predicted = torch.stack([prober(x) for x in encs], dim=1)
                loss = F.mse_loss(predicted, target, reduction="none").mean(dim=0).mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                if step < warmup:
                    lr = base * step / warmup
                else:
                    q = 0.5 * (1 + math.cos(math.pi * (step - warmup) / (max_steps - warmup)))
                    lr = base * q + base * 0.001 * (1 - q)
                for group in optimizer.param_groups:
                    group["lr"] = lr
                step += 1
        return prober

    @torch.no_grad()
    def evaluate_all(self, prober):
        return {name: self.evaluate(prober, loader) for name, loader in self.val.items()}

    def evaluate(self, prober, loader):
        probing_losses = []
        for batch in loader:
            encs = self.represent(batch).transpose(0, 1)
            target = (batch.locations.float() - MEAN) / STD
            predicted = torch.stack([prober(x) for x in encs], dim=1)
            probing_losses.append(F.mse_loss(predicted, target, reduction="none").mean(dim=0))
        per_step = torch.stack(probing_losses).mean(dim=0) * STD.square()
        return per_step.mean(dim=-1).mean().item()
