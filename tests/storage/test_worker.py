"""The addresses of workers."""

from storage.worker import Worker, worker_number


def test_the_address_of_a_worker_leads_back_to_its_number() -> None:
    assert worker_number(Worker(12, 8).address) == 12


def test_other_text_is_no_address_of_a_worker() -> None:
    others = [
        "",
        "worker:",
        "worker:-1",
        "worker:1 ",
        "worker:²",
        "http://a:1",
        "worker:" + "9" * 9,
    ]
    assert [each for each in others if worker_number(each) is not None] == []
