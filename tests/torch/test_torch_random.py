"""Generators: seeds, states, reproducibility."""

import pytest
import torch


def test_a_seed_gives_the_same_numbers_again():
    torch.manual_seed(5)
    first = [torch.randn(9, device="supa"), torch.rand(9, device="supa"), torch.randperm(9, device="supa")]
    torch.manual_seed(5)
    again = [torch.randn(9, device="supa"), torch.rand(9, device="supa"), torch.randperm(9, device="supa")]
    for one, other in zip(first, again, strict=True):
        assert torch.equal(one.cpu(), other.cpu())
    assert not torch.equal(first[0].cpu(), torch.randn(9, device="supa").cpu())


def test_states_are_kept_and_restored():
    state = torch.supa.get_rng_state()
    first = torch.randn(4, device="supa").cpu()
    torch.supa.set_rng_state(state)
    assert torch.equal(torch.randn(4, device="supa").cpu(), first)
    with torch.random.fork_rng(device_type="supa"):
        torch.randn(4, device="supa")
    assert state.numel() == 16


def test_own_generators_and_the_host_are_left_alone():
    host = torch.get_rng_state()
    generator = torch.Generator("supa").manual_seed(3)
    one = torch.randn(4, device="supa", generator=generator)
    assert torch.equal(torch.randn(4, device="supa", generator=generator.manual_seed(3)).cpu(), one.cpu())
    torch.nn.functional.dropout(torch.ones(100, device="supa"))
    assert torch.equal(torch.get_rng_state(), host)
    assert torch.supa.initial_seed() == 0


def test_dropout_keeps_what_it_says_and_scales():
    out = torch.nn.functional.dropout(torch.ones(10000, device="supa"), 0.25).cpu()
    kept = out != 0
    assert abs(kept.float().mean().item() - 0.75) < 0.03
    assert torch.allclose(out[kept], torch.tensor(1 / 0.75))


def test_draws_in_fp64_have_53_bits_and_their_moments():
    before = torch.supa.host_operators()
    kind = {"device": "supa", "dtype": torch.float64}
    uniform, normal = torch.rand(50000, **kind), torch.randn(50000, **kind)
    assert uniform.unique().numel() == 50000
    assert uniform.min().item() >= 0 and uniform.max().item() < 1
    assert abs(uniform.mean().item() - 0.5) < 0.01
    assert abs(normal.mean().item()) < 0.02 and abs(normal.std().item() - 1) < 0.02
    assert abs(torch.empty(50000, **kind).exponential_(2.0).mean().item() - 0.5) < 0.02
    assert abs(torch.full((50000,), 0.25, **kind).bernoulli().mean().item() - 0.25) < 0.02
    assert torch.empty(50000, **kind).uniform_(-0.1, 0.1).abs().max().item() <= 0.1
    assert torch.supa.host_operators() == before


def test_a_program_s_own_generator_draws_on_the_device():
    before = torch.supa.host_operators()
    generator = torch.Generator("supa").manual_seed(3)
    kind = {"device": "supa", "generator": generator}

    def draws():
        return [torch.randn(5, **kind), torch.rand(5, **kind), torch.randint(9, (5,), **kind),
                torch.randperm(5, **kind),
                torch.ones(5, device="supa").multinomial(3, generator=generator)]  # fmt: skip

    first, later = draws(), draws()
    generator.manual_seed(3)
    for one, again in zip(first, draws(), strict=True):
        assert torch.equal(one, again)
    assert not torch.equal(first[0], later[0])
    assert torch.supa.host_operators() == before


def test_normal_numbers_of_given_means_and_deviations():
    mean, deviation = torch.full((200, 100), 3.0, device="supa"), torch.linspace(0, 2, 100, device="supa")
    before = torch.supa.host_operators()
    draws = [torch.normal(mean, deviation), torch.normal(mean, 0.5), torch.normal(-1.0, deviation.expand(200, 100))]
    assert torch.supa.host_operators() == before
    centers = [(one.mean(0) - center).abs().max().item() for one, center in zip(draws, (3, 3, -1), strict=True)]
    assert max(centers) < 0.8
    torch.testing.assert_close(draws[0].std(0), deviation, atol=0.5, rtol=0.2)
    assert abs(draws[1].std().item() - 0.5) < 0.02
    with pytest.raises(RuntimeError, match="std >= 0"):
        torch.normal(mean, -deviation)
