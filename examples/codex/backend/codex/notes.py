"""`/api/notes`: create, list, update, delete."""

from datetime import datetime

from fastapi import APIRouter, Depends, HTTPException
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from .database import session
from .models import Note

router = APIRouter(prefix="/api/notes")


class NoteIn(BaseModel):
    title: str = Field(min_length=1, max_length=200)
    body: str = ""


class NoteOut(NoteIn):
    model_config = ConfigDict(from_attributes=True)

    id: int
    created_at: datetime


def find(note_id: int, db: Session) -> Note:
    note = db.get(Note, note_id)
    if note is None:
        raise HTTPException(404, f"there is no note {note_id}")
    return note


@router.get("")
def list_notes(db: Session = Depends(session)) -> list[NoteOut]:
    return [NoteOut.model_validate(note) for note in db.scalars(select(Note).order_by(Note.id.desc()))]


@router.post("", status_code=201)
def create_note(data: NoteIn, db: Session = Depends(session)) -> NoteOut:
    note = Note(title=data.title, body=data.body)
    db.add(note)
    db.commit()
    return NoteOut.model_validate(note)


@router.put("/{note_id}")
def update_note(note_id: int, data: NoteIn, db: Session = Depends(session)) -> NoteOut:
    note = find(note_id, db)
    note.title, note.body = data.title, data.body
    db.commit()
    return NoteOut.model_validate(note)


@router.delete("/{note_id}", status_code=204)
def delete_note(note_id: int, db: Session = Depends(session)) -> None:
    db.delete(find(note_id, db))
    db.commit()
