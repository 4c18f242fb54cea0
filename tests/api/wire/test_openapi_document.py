"""The OpenAPI document is written for generated clients: readable names, one class a value."""

import jsonschema

from tests.service import Service


def test_every_operation_has_a_readable_name_and_says_what_it_returns(service: Service) -> None:
    document = service.get("/openapi.json").json()
    operations = {
        operation["operationId"]: operation
        for item in document["paths"].values()
        for operation in item.values()
    }
    assert set(operations) == {
        "createSession", "listSessions", "getSession", "changeSession", "closeSession",
        "getTimeline", "markSession", "pauseSession", "resumeSession",
        "deleteSession",
        "createSessionToken", "getDownloadLink", "getAudio", "getWaveform",
        "createLink", "listLinks", "revokeLink",
        "getIdentity", "getHealth", "getReadiness", "getMetrics", "getStatus", "getReceiptKeys",
    }  # fmt: skip
    for name, operation in operations.items():
        for status, response in operation["responses"].items():
            if status < "300":
                assert response["description"] not in {
                    "Request fulfilled, document follows",
                    "Document created, URL follows",
                }
                assert all("schema" in media for media in response["content"].values()), name


def test_a_session_id_is_a_uuid_wherever_it_stands(service: Service) -> None:
    document = service.get("/openapi.json").json()
    found = [
        parameter
        for item in document["paths"].values()
        for operation in item.values()
        for parameter in operation.get("parameters", [])
        if parameter["name"] == "session_id"
    ]
    assert len(found) >= 7
    assert all(each["description"] and each["schema"]["format"] == "uuid" for each in found)
    schemas = document["components"]["schemas"]
    for name in ("SessionInfo", "CreatedSession", "SessionResult"):
        assert schemas[name]["properties"]["session_id"]["format"] == "uuid"


def test_an_enumeration_that_may_be_null_stands_beside_null(service: Service) -> None:
    document = service.get("/openapi.json").json()
    properties = document["components"]["schemas"]["CreateSession"]["properties"]
    rates = {"type": "integer", "enum": [8000, 16000, 22050, 44100, 48000, 96000]}
    assert properties["sample_rate"] == {"oneOf": [rates, {"type": "null"}]}
    assert properties["user_id"]["type"] == ["string", "null"]


def test_the_openapi_document_lists_every_waveform_format(service: Service) -> None:
    path = service.get("/openapi.json").json()["paths"]["/api/audio/sessions/{session_id}/waveform"]
    assert set(path["get"]["responses"]["200"]["content"]) == {
        "application/json",
        "application/octet-stream",
        "image/svg+xml",
        "image/png",
    }


def test_every_answer_schema_has_a_valid_example(service: Service) -> None:
    document = service.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    answers = {name: schema for name, schema in schemas.items() if name != "ErrorBody"}
    assert len(answers) >= 8
    for name, schema in answers.items():
        assert schema["examples"], name
        for example in schema["examples"]:
            jsonschema.validate(example, {**schema, "components": document["components"]})
