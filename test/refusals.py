"""What is refused: its reason and its sentence, of one line."""

import pytest

from promptmid_core.errors import InputError, Refusal


def refused(reason, decode, *args):
    with pytest.raises(Refusal) as caught:
        decode(*args)
    assert caught.value.reason is reason
    assert "\n" not in str(caught.value)
    return str(caught.value)


def told(call, *args, **options):
    with pytest.raises(InputError) as caught:
        call(*args, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)
