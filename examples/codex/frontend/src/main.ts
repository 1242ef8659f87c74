import "./style.css";
import { addNote, deleteNote, listNotes, type Note } from "./api";

const app = document.querySelector<HTMLElement>("#app")!;
app.innerHTML = `
  <h1>Codex</h1>
  <form>
    <input name="title" placeholder="Title" required maxlength="200" />
    <textarea name="body" placeholder="What did you see?"></textarea>
    <button>Add note</button>
  </form>
  <p role="alert" hidden></p>
  <ul></ul>
`;
const form = app.querySelector("form")!;
const list = app.querySelector("ul")!;
const alert = app.querySelector<HTMLElement>("[role=alert]")!;

function show(note: Note): HTMLLIElement {
  const item = document.createElement("li");
  const title = document.createElement("strong");
  title.textContent = note.title;
  const body = document.createElement("span");
  body.textContent = note.body;
  const remove = document.createElement("button");
  remove.textContent = "Delete";
  remove.onclick = () => attempt(() => deleteNote(note.id));
  item.append(title, body, remove);
  return item;
}

async function refresh(): Promise<void> {
  list.replaceChildren(...(await listNotes()).map(show));
}

async function attempt(action: () => Promise<unknown>): Promise<void> {
  alert.hidden = true;
  try {
    await action();
    await refresh();
  } catch (error) {
    alert.textContent = String(error);
    alert.hidden = false;
  }
}

form.onsubmit = (event) => {
  event.preventDefault();
  const data = new FormData(form);
  void attempt(async () => {
    await addNote(String(data.get("title")), String(data.get("body")));
    form.reset();
  });
};

void attempt(async () => {});
