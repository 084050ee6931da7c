"""The endpoints under /api."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Cookie, Depends, HTTPException, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, HttpUrl, StringConstraints

from backend import passwords
from backend.health import Monitor
from backend.sessions import COOKIE, LIFETIME_S, Sessions
from backend.settings import SERVICE
from backend.verifications import Answer, Question, State, Verdict, Verification, Verifications

router = APIRouter(prefix="/api")

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, pattern=r"^[^\x00]*$")]
Identifier = Annotated[int, Field(ge=1, lt=2**63)]


@dataclass(frozen=True)
class Services:
    """What the endpoints work with."""

    version: str
    verifications: Verifications
    sessions: Sessions
    monitor: Monitor


class Input(BaseModel):
    """A request body; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class Ask(Input):
    """A claim to be verified."""

    claim: Annotated[Text, Field(max_length=2000)]
    source_url: HttpUrl | None = None
    asked_by: Annotated[Text, Field(max_length=100)] | None = None


class Finding(Input):
    """A verifier's answer."""

    verdict: Verdict
    explanation: Annotated[Text, Field(max_length=5000)]


class Login(Input):
    """A verifier's name and password."""

    name: Annotated[Text, Field(max_length=100)]
    password: Annotated[str, Field(min_length=1, max_length=200)]


class Page(BaseModel):
    """Some verifications, newest first; `next` is the `before` of the following page."""

    items: list[Verification]
    next: int | None


async def services(request: Request) -> Services:
    """What `create_app` was given (async: no thread is needed for an attribute)."""
    found: Services = request.app.state.services
    return found


Using = Annotated[Services, Depends(services)]
SessionCookie = Annotated[str | None, Cookie(alias=COOKIE)]


def verifier(using: Using, session: SessionCookie = None) -> str:
    """The name of the verifier who is logged in, or 401."""
    if (name := using.sessions.name_of(session)) is None:
        raise HTTPException(401, "log in first: POST /api/session")
    return name


Verifier = Annotated[str, Depends(verifier)]


@router.get("/version")
async def version(using: Using) -> dict[str, str]:
    """Which version answers (async: also when every worker thread is busy)."""
    return {"service": SERVICE, "version": using.version}


@router.post("/verifications", status_code=201)
def ask(body: Ask, using: Using, response: Response) -> Verification:
    """Ask for a claim to be verified."""
    source = str(body.source_url) if body.source_url else None
    asked = using.verifications.ask(Question(body.claim, source, body.asked_by))
    response.headers["Location"] = f"/api/verifications/{asked.id}"
    return asked


@router.get("/verifications")
def newest(
    using: Using,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    before: Identifier | None = None,
    state: State | None = None,
) -> Page:
    """The newest verifications."""
    items = using.verifications.newest(limit, before, state)
    return Page(items=items, next=items[-1].id if len(items) == limit else None)


@router.get("/verifications/{verification_id}")
def one(verification_id: Identifier, using: Using) -> Verification:
    """One verification."""
    if (found := using.verifications.find(verification_id)) is None:
        raise HTTPException(404, f"there is no verification {verification_id}")
    return found


@router.post("/verifications/{verification_id}/answer")
def answer(verification_id: Identifier, body: Finding, name: Verifier, using: Using) -> Verification:
    """Answer an open verification."""
    done = using.verifications.answer(verification_id, Answer(body.verdict, body.explanation, name))
    if done is None:
        one(verification_id, using)  # 404 rather than 409 where there is none
        raise HTTPException(409, f"verification {verification_id} was answered already")
    return done


@router.post("/session", status_code=201)
def login(body: Login, request: Request, using: Using, response: Response) -> dict[str, str]:
    """Log in as a verifier."""
    if not using.sessions.may_try(body.name):
        raise HTTPException(
            429, "too many logins with this name; try again in a minute", {"Retry-After": "60"}
        )
    if not passwords.matches(body.password, using.verifications.password_of(body.name)):
        raise HTTPException(401, "name or password is wrong")
    response.set_cookie(
        COOKIE,
        using.sessions.begin(body.name),
        max_age=LIFETIME_S,
        httponly=True,
        samesite="lax",
        # TLS ends at the load balancer, which says here how the browser came.
        secure=request.headers.get("x-forwarded-proto") == "https",
    )
    return {"name": body.name}


@router.get("/session")
def whoami(name: Verifier) -> dict[str, str]:
    """Who is logged in."""
    return {"name": name}


@router.delete("/session", status_code=204)
def logout(using: Using, response: Response, session: SessionCookie = None) -> None:
    """Log out."""
    using.sessions.end(session)
    response.delete_cookie(COOKIE)
