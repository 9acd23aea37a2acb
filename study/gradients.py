"""Task gradients without a second pass: every head is walked once for each loss, the backbone once for all."""

from collections.abc import Container, Iterable, Sequence
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.graph import Node

from study.errors import UserError
from study.weighting import Place

Edge = tuple[Node, int]
"""A place in autograd's graph: a node and which of its outputs."""

Gradients = dict[Tensor, Tensor]
"""Gradients by the tensor that they belong to; tensors without one are absent."""


class TaskGradients:
    """Gradients of the T task losses at the shared features and at the parameters behind them, and their Gramian.

    Gramian methods must know the task gradients before they can say what the loss weights are. An ordinary backward of
    the weighted total would then walk the heads a second time; here the gradients that were found are weighed and go on
    into the backbone. Only where losses reach shared parameters on other ways than through the features (a parameter
    used in backbone and head, a feature left out), or where hooks of tensors would act twice, is the ordinary backward
    taken, so that the result stays exact. A feature that is computed from another one counts as part of the heads.

    Args:
        losses: scalars of this worker, attached; each W times its part of the mean over all workers' images.
        features: tensors that every loss was computed from.
        place: where the gradients are compared.
        last_shared_layer: parameters, for that place.
        world: number of workers W.

    Raises:
        UserError: no feature that can be differentiated, or nothing at that place that a loss depends on.
    """

    gramian: Tensor
    """Inner products [T, T] of the gradients of the global losses, float32, equal on every worker."""

    def __init__(
        self,
        losses: Sequence[Tensor],
        features: Sequence[Tensor],
        place: Place,
        last_shared_layer: Sequence[Tensor],
        world: int,
    ) -> None:
        self._losses = losses
        edges = {_edge(feature): feature for feature in features if feature.grad_fn is not None}
        if not edges:
            raise UserError(
                "shared_features: the tracker gives none that was computed from trained parameters; "
                "this weighting compares task gradients there"
            )
        before = _reached(edges, meet=edges)
        if before.met:
            edges = {edge: feature for edge, feature in edges.items() if not _reached([edge], meet=edges).met}
            before = _reached(edges)
        self._features, shared = list(edges.values()), before.parameters
        heads = [_reached([_edge(loss)], stop=edges) for loss in losses]
        met = [*self._features, *shared, *(parameter for head in heads for parameter in head.parameters)]
        self._ordinary = any(not shared.keys().isdisjoint(head.parameters) for head in heads) or any(
            tensor._backward_hooks for tensor in met
        )
        self._at_features, self._at_heads = self._walk(heads)
        self._at_shared: list[Gradients] = []
        self._ends_at_shared = place == "shared_parameters"
        if place == "shared_features":
            columns = _columns(self._at_features, self._features, place)
            self.gramian = _gramian(columns)
            if world > 1:
                # Workers hold different images: no products across workers, and each gradient is W times its part.
                dist.all_reduce(self.gramian)
                self.gramian /= world**2
        else:
            parameters = list(shared) if self._ends_at_shared else list(last_shared_layer)
            self._at_shared = [self._follow(i, parameters) for i in range(len(losses))]
            columns = _columns(self._at_shared, parameters, place)
            self.gramian = _gramian(columns if world == 1 else _mean_over_workers(columns, world))

    def backward(self, loss_weights: Tensor) -> None:
        """Accumulate the gradient of sum_i w_i L_i in every parameter; `loss_weights` has shape [T]. Once only."""
        if self._ordinary:
            torch.autograd.backward(self._losses, list(loss_weights))
            return
        rest = self._at_shared if self._ends_at_shared else self._at_features
        found: dict[Tensor, list[tuple[float, Tensor]]] = {}
        for weight, *parts in zip(loss_weights.tolist(), self._at_heads, rest, strict=True):
            for part in parts:
                for tensor, gradient in part.items():
                    found.setdefault(tensor, []).append((weight, gradient))
        self._at_features, self._at_heads, self._at_shared = [], [], []
        # From the heads' parameters too, not only from the features: their hooks (DDP's) must see these gradients.
        torch.autograd.backward(list(found), [_weighted_sum(parts).to(root.dtype) for root, parts in found.items()])

    def _walk(self, heads: Sequence["_Reached"]) -> tuple[list[Gradients], list[Gradients]]:
        """Each loss's gradients at the features, and at the parameters it reaches without passing them."""
        at_features, at_heads = [], []
        for i, (loss, head) in enumerate(zip(self._losses, heads, strict=True)):
            # Heads that no later loss needs are freed at once, as an ordinary backward would.
            again = self._ordinary or any(not head.nodes.isdisjoint(later.nodes) for later in heads[i + 1 :])
            wanted = [*self._features, *([] if self._ordinary else head.parameters)]
            found = torch.autograd.grad(loss, wanted, retain_graph=again, allow_unused=True)
            split = len(self._features)
            at_features.append(_present(wanted[:split], found[:split]))
            at_heads.append(_present(wanted[split:], found[split:]))
        return at_features, at_heads

    def _follow(self, task: int, parameters: Sequence[Tensor]) -> Gradients:
        """A task's gradient at parameters before the features."""
        roots: dict[Tensor, Any] = {self._losses[task]: None} if self._ordinary else self._at_features[task]
        if not roots or not parameters:
            return {}
        found = torch.autograd.grad(list(roots), parameters, list(roots.values()), retain_graph=True, allow_unused=True)
        return _present(parameters, found)


def _columns(gradients: Sequence[Gradients], tensors: Sequence[Tensor], place: Place) -> list[list[Tensor | None]]:
    """For every tensor that a loss depends on, the gradients of all losses there, None for zero."""
    columns = [[found.get(tensor) for found in gradients] for tensor in tensors]
    columns = [column for column in columns if any(gradient is not None for gradient in column)]
    if not columns:
        raise UserError(f"weighting.gramian_at: no task loss depends on the tracker's {place}")
    return columns


def _edge(tensor: Tensor) -> Edge:
    assert tensor.grad_fn is not None
    return tensor.grad_fn, tensor.output_nr


class _Reached(NamedTuple):
    nodes: set[Node]
    parameters: dict[Tensor, None]  # in order
    met: bool  # a place that was asked about


def _reached(roots: Iterable[Edge], *, stop: Container[Edge] = (), meet: Container[Edge] = ()) -> _Reached:
    """The graph from these places up to where it must stop, the parameters it ends in, and whether it passes others."""
    nodes: set[Node] = set()
    parameters: dict[Tensor, None] = {}
    met = False
    ahead = list(roots)
    while ahead:
        edge = ahead.pop()
        node = edge[0]
        if node in nodes or edge in stop:
            continue
        variable: Any = getattr(node, "variable", None)
        if variable is not None:
            parameters[variable] = None
            continue
        nodes.add(node)
        for following, output in node.next_functions:
            if following is not None:
                ahead.append((following, output))
                met = met or (following, output) in meet
    return _Reached(nodes, parameters, met)


def _present(tensors: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> Gradients:
    return {t: gradient for t, gradient in zip(tensors, gradients, strict=True) if gradient is not None}


def _gramian(columns: Sequence[Sequence[Tensor | None]]) -> Tensor:
    """Sum of the inner products of T tasks over parts; a part is one gradient a task, None for zero."""
    total: Tensor | None = None
    for column in columns:
        jacobian = _jacobian(column)
        product = jacobian @ jacobian.T
        total = product if total is None else total.add_(product)
    assert total is not None
    return total


def _mean_over_workers(columns: Sequence[Sequence[Tensor | None]], world: int) -> list[list[Tensor | None]]:
    """Every task's gradients as one flat part, averaged over the workers."""
    flat = torch.cat([_jacobian(column) for column in columns], dim=1)
    dist.all_reduce(flat)
    return [list(flat / world)]


def _jacobian(column: Sequence[Tensor | None]) -> Tensor:
    """Gradients of T tasks at one tensor as rows, float32."""
    like = next(gradient for gradient in column if gradient is not None)
    rows = [torch.zeros_like(like) if gradient is None else gradient for gradient in column]
    return torch.stack([row.flatten() for row in rows]).float()


def _weighted_sum(parts: Sequence[tuple[float, Tensor]]) -> Tensor:
    """In float32, whatever the parts are in."""
    (weight, gradient), *others = parts
    total = gradient.float() * weight
    for weight, gradient in others:
        total.add_(gradient, alpha=weight)
    return total
