// Questions to the server of this page; there is no other.

export class Lost extends Error {}

const ALIVE = 20000; // ms after which a question counts as unanswered

export async function ask(path, query = {}) {
  const parts = Object.entries(query).filter(([, value]) => value !== "" && value !== null);
  const text = parts.map(([name, value]) => {
    const plain = Array.isArray(value) ? value.join("\x1f") : String(value);
    return `${name}=${encodeURIComponent(plain)}`;
  });
  let answer;
  try {
    const address = `api/${path}${text.length ? `?${text.join("&")}` : ""}`;
    answer = await fetch(address, { signal: AbortSignal.timeout(ALIVE) });
  } catch (error) {
    throw new Lost(String(error));
  }
  const found = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(found.error), { status: answer.status });
  return found;
}
