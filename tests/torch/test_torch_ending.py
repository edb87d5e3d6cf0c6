"""The end of a process: a thread of a backward pass that still clears up does not end it by `terminate`."""

from test_torch_devices import run

SLOW = """
    import time, torch, supa.torch

    class Slow:
        def __call__(self):
            pass

        def __del__(self):
            time.sleep(0.3)  # in the backward thread, which needs the interpreter's lock after it

    x = torch.ones(2, device="supa", requires_grad=True)
    y = x * 2
    engine = torch.autograd.Variable._execution_engine
    y.register_hook(lambda _, slow=[Slow()]: engine.queue_callback(slow.pop()))
    y.sum().backward()
    print("fine")
"""


def test_a_backward_thread_that_is_still_at_work_is_awaited():
    done = run(SLOW, SUPA_MODE="execute")
    assert (done.returncode, done.stdout) == (0, "fine\n"), done.stderr
