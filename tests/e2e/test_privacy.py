"""What people say and write stays between them and the model."""

from tests.e2e.conftest import Product

WORDS = ("marmalade", "telescope")


def test_no_log_holds_what_was_said_or_written(product: Product) -> None:
    client = product.client()
    text = f"My {WORDS[0]} is under the {WORDS[1]}."
    message = {"role": "user", "content": f"Repeat: {text}"}
    client.chat.completions.create(
        model="smollm2-135m-instruct",
        messages=[message],  # type: ignore[list-item]
        max_tokens=20,
    )
    speech = client.audio.speech.create(model="tts-1", voice="joe", input=text).read()
    heard = client.audio.transcriptions.create(model="whisper-1", file=("a.mp3", speech))
    assert any(word in heard.text.lower() for word in WORDS)
    wish = {"theme": text, "first_line": text, "sections": ["verse"], "lines": 2}
    with product.http() as http:
        assert http.post("/v1/lyrics", json=wish).json()["sections"][0]["lines"][0]["text"] == text
    logs = sorted((product.home / "logs").glob("*.log"))
    assert {log.stem for log in logs} >= {"gateway", "chat", "lyrics", "speech", "emotion"}
    for log in logs:
        said = log.read_text("utf-8", "replace").lower()
        assert said
        assert not any(word in said for word in WORDS), log.name
