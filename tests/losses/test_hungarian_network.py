"""The deep Hungarian network: its size, its training, and task losses that use it."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from study.errors import UserError
from study.losses import dmota, dmotp
from study.losses.base import Shapes
from study.losses.hungarian_network import HungarianNetwork, example, hungarian, load, loss_of, main, train

TRAINING = Shapes(embedding_channels=0, num_identities=3)


@pytest.fixture
def file(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "network.pt"
    torch.save(HungarianNetwork().state_dict(), path)
    return path


def test_it_has_the_papers_number_of_parameters():
    assert sum(parameter.numel() for parameter in HungarianNetwork().parameters()) == 4_093_825


def test_an_entry_sees_the_whole_matrix():
    torch.manual_seed(0)
    network = HungarianNetwork().eval()
    distance = torch.rand(2, 3, 4, requires_grad=True)
    logits = network(distance)
    assert logits.shape == (2, 3, 4)
    (gradient,) = torch.autograd.grad(logits[0, 1, 2], distance)
    assert (gradient[0] != 0).all()
    assert (gradient[1] == 0).all()
    assert network(torch.zeros(1, 0, 4)).shape == (1, 0, 4)


def test_examples_have_their_hungarian_assignment():
    draws = np.random.default_rng(0)
    for rows, columns in ((1, 1), (5, 8), (8, 5)):
        distance, wanted = example(draws, rows, columns)
        assert distance.shape == wanted.shape == (rows, columns)
        assert ((distance >= 0) & (distance <= 1)).all()
        assert (wanted.sum(0) <= 1).all()
        assert (wanted.sum(1) <= 1).all()
        assert (wanted == hungarian(distance)).all()
    assert hungarian(np.array([[0.1, 0.2], [0.15, 0.9]])).tolist() == [[0, 1], [1, 0]]
    assert hungarian(np.array([[0.6]])).tolist() == [[0]]


def test_it_learns():
    draws = np.random.default_rng(5)
    pairs = [example(draws, 4, 4) for _ in range(64)]
    distance, wanted = (torch.tensor(np.stack(part), dtype=torch.float32) for part in zip(*pairs, strict=True))
    before, after = train(steps=0), train(steps=100, largest=4)
    with torch.no_grad():
        assert loss_of(after(distance), wanted) < 0.7 * loss_of(before(distance), wanted)


def test_the_command_writes_what_losses_read(tmp_path, capsys):
    path = tmp_path / "network.pt"
    assert main([str(path), "--minutes", "0"]) == 0
    assert capsys.readouterr().out == f"{path}: 4,093,825 parameters\n"
    network = load(path)
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert main([str(tmp_path / "nowhere" / "network.pt")]) == 2
    assert "no such folder; choose another file" in capsys.readouterr().err
    for minutes in ("-1", "nan", "inf"):
        assert main([str(path), "--minutes", minutes]) == 2
        assert "expected a number of minutes from 0 on, found" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", [dmota, dmotp])
def test_task_losses_with_it_have_gradients_and_keep_it_out_of_checkpoints(kind, file):
    loss = kind.Config(assignment="network", network=str(file)).build()
    loss.shape(TRAINING)
    assert not list(loss.parameters())
    assert not loss.state_dict()
    truth = torch.tensor([[[[0.0, 0, 20, 40], [100, 0, 120, 40]]] * 2] * 2)
    found = (truth + 3).requires_grad_()
    there = torch.ones(2, 2, 2, dtype=torch.bool)
    there[1, :, 1] = False
    targets = {"boxes": truth, "present": there, "image_size": torch.tensor([640.0, 360.0])}
    values = loss({"detections": found, "detected": there}, targets)
    assert values.isfinite().all()
    if kind is dmota:
        (gradient,) = torch.autograd.grad(values.sum(), found)
        assert gradient.isfinite().all()
        assert gradient.abs().sum() > 0


def test_a_missing_or_foreign_file_is_told_before_training_and_not_asked_for_in_tracking(tmp_path):
    loss = dmota.Config(assignment="network", network=str(tmp_path / "none.pt")).build()
    loss.shape(Shapes(embedding_channels=0, num_identities=None))  # a checkpoint is loaded
    with pytest.raises(UserError, match=r"none\.pt: no such network of assignments; 'python -m study\.losses\.hung"):
        loss.shape(TRAINING)
    (tmp_path / "other.pt").write_bytes(b"else")
    with pytest.raises(UserError, match=r"other\.pt: not a network of assignments"):
        load(tmp_path / "other.pt")


@pytest.mark.parametrize("settings", [{"assignment": "network"}, {"network": "some.pt"}])
def test_a_network_needs_both_settings(settings):
    with pytest.raises(ValidationError, match="expected assignment 'network' and the file of one"):
        dmota.Config(**settings)
