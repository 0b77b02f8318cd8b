from services.studio.conversations import MOST_PICTURES, Conversation
from services.studio.pictures import Picture

CAT = Picture("cat.jpg", b"cat", "image/jpeg", "data:,")


def answered(conversation: Conversation, question: str, answer: str) -> None:
    conversation.ask(question).answer = answer


def test_a_model_is_told_what_was_said_before() -> None:
    conversation = Conversation()
    answered(conversation, "Hello", "Hi")
    conversation.ask("And now?")
    assert conversation.messages("Be short.") == [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi"},
        {"role": "user", "content": "And now?"},
    ]


def test_what_was_not_answered_is_not_told_again() -> None:
    conversation = Conversation()
    answered(conversation, "Too long", "")
    conversation.ask("Short")
    assert conversation.messages(" ") == [{"role": "user", "content": "Short"}]


def test_a_picture_goes_with_the_next_question_and_is_remembered() -> None:
    conversation = Conversation()
    conversation.pictures.append(CAT)
    answered(conversation, "What is this?", "A cat")
    conversation.ask("What colour?")
    first, _, last = conversation.messages("")
    assert first["content"] == [
        {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,Y2F0"}},
        {"type": "text", "text": "What is this?"},
    ]
    assert last["content"] == "What colour?"


def test_the_last_question_is_asked_again_with_its_pictures() -> None:
    conversation = Conversation()
    conversation.pictures.append(CAT)
    answered(conversation, "What is this?", "A dog")
    again = conversation.again()
    assert conversation.exchanges == [again]
    assert (again.question, again.pictures, again.answer) == ("What is this?", (CAT,), "")


def test_pictures_that_wait_and_that_were_shown_share_the_room() -> None:
    conversation = Conversation()
    conversation.pictures += [CAT, CAT]
    conversation.ask("Two")
    conversation.pictures.append(CAT)
    assert conversation.room == MOST_PICTURES - 3
