"""What `TaskGradients` finds and passes on, on small graphs, is what an ordinary backward would."""

import pytest
import torch
from tiny_trials import PLACES
from torch import Tensor, nn

from study.errors import UserError
from study.gradients import TaskGradients


class Handmade:
    """x -> h = first x -> feature = second h, and two losses with gradients (3, 4, 0) and (1, 0, 2) there."""

    def __init__(self) -> None:
        x = torch.tensor([1.0, 2.0])
        self.first = torch.eye(2, requires_grad=True)
        self.second = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], requires_grad=True)
        self.scales = torch.ones(2, requires_grad=True)
        self.feature = self.second @ (self.first @ x)  # (1, 2, 3)
        rows = torch.tensor([[3.0, 4.0, 0.0], [1.0, 0.0, 2.0]])
        self.losses = [scale * (row @ self.feature) for scale, row in zip(self.scales, rows, strict=True)]  # 11 and 7


GOLDEN = {
    "shared_features": [[25.0, 3.0], [3.0, 5.0]],
    "last_shared_layer": [[125.0, 15.0], [15.0, 25.0]],  # |h|^2 = 5 times as much
    "shared_parameters": [[250.0, 100.0], [100.0, 90.0]],  # and |x|^2 = 5 times that of (3, 4) and (3, 2)
}


@pytest.mark.parametrize("place", PLACES)
def test_the_gramian_and_the_gradients_of_a_small_graph_are_those_by_hand(place):
    graph = Handmade()
    gradients = TaskGradients(graph.losses, [graph.feature], place, [graph.second], world=1)
    assert gradients.gramian.tolist() == GOLDEN[place]
    assert graph.second.grad is None
    gradients.backward(torch.tensor([2.0, -1.0]))
    # At the feature 2 (3, 4, 0) - (1, 0, 2) = (5, 8, -2).
    assert graph.scales.grad.tolist() == [22, -7]
    assert graph.second.grad.tolist() == [[5, 10], [8, 16], [-2, -4]]
    assert graph.first.grad.tolist() == [[3, 6], [6, 12]]


def test_gradients_at_several_features_are_compared_together_and_unused_ones_do_not_count():
    graph = Handmade()
    parts = [graph.feature * 2, graph.feature * 1, graph.feature * 3]
    rows = torch.tensor([[3.0, 4.0, 0.0], [1.0, 0.0, 2.0]])
    losses = [rows[0] @ parts[0] + rows[1] @ parts[1], rows[1] @ parts[0] - rows[1] @ parts[1]]
    gradients = TaskGradients(losses, [*parts, torch.zeros(3)], "shared_features", [], world=1)
    assert gradients.gramian.tolist() == [[25 + 5, 3 - 5], [3 - 5, 5 + 5]]
    gradients.backward(torch.ones(2))
    # 2 (3, 4, 0) + (1, 0, 2) + 2 (1, 0, 2) - (1, 0, 2) = (8, 8, 4)
    assert graph.second.grad.tolist() == [[8, 16], [8, 16], [4, 8]]


class Net(nn.Module):
    """Backbone, heads and what else the graphs below are made of."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 6))
        self.neck = nn.Linear(6, 6)
        self.cls, self.reg = (nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 1)) for _ in range(2))
        self.common = nn.Sequential(nn.Linear(6, 6), nn.Tanh())

    def end(self, *outputs: Tensor) -> list[Tensor]:
        return [output.square().mean() for output in outputs]


Graph = tuple[list[Tensor], list[Tensor]]
"""Losses and features."""


def tied_parameter(net: Net, x: Tensor) -> Graph:
    feature = net.neck(net.backbone(x)).tanh()
    return net.end(net.cls(net.neck(feature)), net.reg(feature)), [feature]


def feature_left_out(net: Net, x: Tensor) -> Graph:
    feature = net.backbone(x)
    other = net.neck(feature).tanh()
    return net.end(net.cls(feature.tanh()) + net.reg(other), net.reg(feature.tanh())), [other]


def one_chunk_of_two(net: Net, x: Tensor) -> Graph:
    left, right = net.backbone(x).chunk(2, dim=1)
    whole = torch.cat([left, right.tanh()], dim=1)
    return net.end(net.cls(whole), net.reg(whole)), [left]


def both_chunks(net: Net, x: Tensor) -> Graph:
    left, right = net.backbone(x).chunk(2, dim=1)
    whole = torch.cat([left, right.tanh()], dim=1)
    return net.end(net.cls(whole), net.reg(whole)), [left, right]


def features_made_for_show(net: Net, x: Tensor) -> Graph:
    feature = net.backbone(x)
    return net.end(net.cls(feature), net.reg(feature)), [feature * 1]


def loss_beside_the_features(net: Net, x: Tensor) -> Graph:
    feature = net.backbone(x)
    return net.end(net.cls(feature), net.reg(torch.ones(2, 6))), [feature]


def common_head(net: Net, x: Tensor) -> Graph:
    feature = net.backbone(x)
    common = net.common(feature)
    return net.end(net.cls(common), net.reg(feature * common)), [feature]


def one_loss_from_another(net: Net, x: Tensor) -> Graph:
    feature = net.backbone(x)
    cls, reg = net.end(net.cls(feature), net.reg(feature))
    return [cls, reg * cls + cls], [feature]


def changed_in_place(net: Net, x: Tensor) -> Graph:
    feature = net.backbone(x)
    return net.end(net.cls(feature.relu_()), net.reg(feature)), [feature]


def feature_beside_a_feature(net: Net, x: Tensor) -> Graph:
    feature = net.backbone(x)
    further = feature + 1
    return net.end(net.cls(feature) + net.reg(further), net.reg(feature) + net.cls(further)), [feature, further]


def feature_of_a_feature(net: Net, x: Tensor) -> Graph:
    feature = net.backbone(x)
    further = net.neck(feature)
    return net.end(net.cls(feature) + net.cls(further), net.reg(feature) + net.reg(further)), [feature, further]


GRAPHS = [
    tied_parameter,
    feature_left_out,
    one_chunk_of_two,
    both_chunks,
    loss_beside_the_features,
    common_head,
    one_loss_from_another,
    changed_in_place,
    feature_beside_a_feature,
    feature_of_a_feature,
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("graph", GRAPHS)
def test_whatever_the_graph_gradients_are_exact(graph, place):
    torch.manual_seed(0)
    net, x = Net(), torch.randn(2, 3)
    loss_weights = torch.tensor([0.75, -2.0])
    losses, _ = graph(net, x)
    torch.autograd.backward(losses, list(loss_weights))
    expected = {name: parameter.grad for name, parameter in net.named_parameters()}
    net.zero_grad(set_to_none=True)
    losses, features = graph(net, x)
    layer = [net.backbone[2].weight]
    gradients = TaskGradients(losses, features, place, layer, world=1)
    if place == "last_shared_layer":
        columns = [torch.autograd.grad(loss, layer, retain_graph=True, allow_unused=True) for loss in graph(net, x)[0]]
        rows = torch.stack([torch.zeros(36) if column is None else column.flatten() for (column,) in columns])
        torch.testing.assert_close(gradients.gramian, rows @ rows.T, rtol=1e-5, atol=1e-8)
    gradients.backward(loss_weights)
    for name, parameter in net.named_parameters():
        if expected[name] is None:
            assert parameter.grad is None, name
        else:
            torch.testing.assert_close(parameter.grad, expected[name], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("place", PLACES)
def test_a_loss_that_does_not_reach_the_features_has_a_row_of_zeros(place):
    torch.manual_seed(0)
    net = Net()
    losses, features = loss_beside_the_features(net, torch.randn(2, 3))
    gramian = TaskGradients(losses, features, place, [net.backbone[2].weight], world=1).gramian
    assert gramian[0, 0] > 0
    assert gramian[1].tolist() == gramian[:, 1].tolist() == [0, 0]


def test_a_place_that_no_loss_depends_on_is_refused():
    net, x = Net(), torch.randn(2, 3)
    with pytest.raises(UserError, match="no task loss depends on the tracker's shared_features"):
        TaskGradients(*features_made_for_show(net, x), "shared_features", [], world=1)
    for layer in ([], [net.neck.weight]):
        with pytest.raises(UserError, match="no task loss depends on the tracker's last_shared_layer"):
            TaskGradients(*common_head(net, x), "last_shared_layer", layer, world=1)


def test_a_feature_named_twice_counts_once():
    graph = Handmade()
    gradients = TaskGradients(graph.losses, [graph.feature] * 2, "shared_features", [], world=1)
    assert gradients.gramian.tolist() == GOLDEN["shared_features"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("hooked", ["feature", "cls.0.weight", "backbone.0.weight"])
def test_a_hook_on_a_gradient_acts_once(hooked, place):
    def gradients_of(ordinary: bool) -> list[Tensor]:
        torch.manual_seed(0)
        net, x = Net(), torch.randn(2, 3)
        feature = net.backbone(x)
        target = feature if hooked == "feature" else net.get_parameter(hooked)
        target.register_hook(lambda gradient: gradient * 0.5)
        losses = net.end(net.cls(feature), net.reg(feature))
        if ordinary:
            torch.autograd.backward(losses, list(torch.ones(2)))
        else:
            TaskGradients(losses, [feature], place, [net.backbone[2].weight], world=1).backward(torch.ones(2))
        return [parameter.grad for parameter in net.parameters() if parameter.grad is not None]

    for found, expected in zip(gradients_of(ordinary=False), gradients_of(ordinary=True), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)
