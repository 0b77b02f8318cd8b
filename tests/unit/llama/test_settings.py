import os

from services.runtime.llama.settings import LanguageSettings


def test_answers_share_all_threads_however_many_there_are() -> None:
    assert LanguageSettings(threads=3, slots=8).loop_threads == 3
    assert LanguageSettings(slots=8).loop_threads == len(os.sched_getaffinity(0))
