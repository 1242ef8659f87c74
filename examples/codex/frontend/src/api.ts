export interface Note {
  id: number;
  title: string;
  body: string;
  created_at: string;
}

const base = import.meta.env.VITE_API_BASE_URL ?? "/api";

async function call<T>(path: string, init?: RequestInit): Promise<T> {
  const response = await fetch(`${base}${path}`, {
    headers: { "content-type": "application/json" },
    ...init,
  });
  if (!response.ok) {
    throw new Error(`${init?.method ?? "GET"} ${path}: ${response.status} ${response.statusText}`);
  }
  return (response.status === 204 ? undefined : await response.json()) as T;
}

export const listNotes = () => call<Note[]>("/notes");
export const addNote = (title: string, body: string) =>
  call<Note>("/notes", { method: "POST", body: JSON.stringify({ title, body }) });
export const deleteNote = (id: number) => call<void>(`/notes/${id}`, { method: "DELETE" });
