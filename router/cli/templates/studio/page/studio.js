// The page: what is typed is sent to our own renderer, one at a time, and what comes back is shown. Where that is busy,
// with another page of this browser or with what was typed before, it is asked again until it is not.

import { drawn, element } from "/looks.js";

const PAUSE = 250; // milliseconds without a key before it is rendered
const MOST_PROBLEMS = 30;
const BUSY = 429;
const UNTRIED = "it takes long: not every example event was tried; gatecrier templates lint tries them all";
const at = (id) => document.getElementById(id);
const [source, event, template, example, destination, name, save] =
  ["source", "event", "template", "example", "destination", "name", "save"].map(at);

let shelf = { templates: [], examples: {}, destinations: [], folder: null };
let opened = null; // the template that is being written, as it was opened
const drafts = new Map(); // texts that were not saved, by the name of their template
let timer = 0;
let isAsking = false;
let isStale = false;

async function ask(path, body) {
  const options = body === undefined ? {} : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  };
  const once = () => fetch(path, { ...options, credentials: "same-origin" });
  let answer = await once();
  while (answer.status === BUSY) {
    await new Promise((done) => { setTimeout(done, PAUSE); });
    answer = await once();
  }
  const isJson = (answer.headers.get("Content-Type") ?? "").startsWith("application/json");
  const said = isJson ? await answer.json() : { error: (await answer.text()).trim() };
  if (!answer.ok) throw Object.assign(new Error(said.error ?? `error ${answer.status}`), { status: answer.status });
  return said;
}

function tell(text, how = "") {
  at("status").textContent = text;
  at("status").className = how;
}

function guarded(work) {
  return async (...given) => {
    try {
      await work(...given);
    } catch (error) {
      tell(error.status === undefined ? "the studio does not answer: is its command still running?" : error.message, "bad");
    }
  };
}

function offer(select, groups) {
  select.replaceChildren(...groups.filter(([, names]) => names.length).map(([label, names]) => {
    const group = document.createElement("optgroup");
    group.label = label;
    group.append(...names.map(([value, text]) => new Option(text, value)));
    return group;
  }));
}

function numbered(editor, lines, bad = new Set()) {
  const count = editor.value.split("\n").length;
  lines.replaceChildren(...Array.from({ length: count }, (_, index) => element("div", bad.has(index + 1) ? "bad" : "", `${index + 1}`)));
  lines.scrollTop = editor.scrollTop;
}

const badLines = { source: new Set(), event: new Set() };
const number = () => {
  numbered(source, at("template-lines"), badLines.source);
  numbered(event, at("event-lines"), badLines.event);
};

function goTo(editor, line) {
  const lines = editor.value.split("\n");
  const start = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
  editor.focus();
  editor.setSelectionRange(start, start + (lines[line - 1] ?? "").length);
  editor.scrollTop = Math.max(0, (line - 4) * parseFloat(getComputedStyle(editor).lineHeight));
}

function problem(one) {
  const item = element("li", "");
  const editor = one.where === "event" ? event : source;
  if (one.line !== null) {
    const button = element("button", "", `${one.where} line ${one.line}`);
    button.type = "button";
    button.addEventListener("click", () => goTo(editor, one.line));
    item.append(button, " ");
  } else item.append(element("span", "bold", `${one.where}: `));
  item.append(one.text);
  if (one.examples.length) item.append(element("span", "of", ` (for ${one.examples.join(", ")})`));
  return item;
}

function show(found) {
  const some = found.problems.slice(0, MOST_PROBLEMS);
  badLines.source = new Set(some.filter((one) => one.where === "template").map((one) => one.line));
  badLines.event = new Set(some.filter((one) => one.where === "event").map((one) => one.line));
  number();
  const none = found.is_tried_for_all ? "none, for any example event" : "none, for this event";
  const items = some.length ? some.map(problem) : [element("li", "none", none)];
  if (!found.is_tried_for_all) items.push(element("li", "of", UNTRIED));
  at("problems").replaceChildren(...items);
  at("notes").replaceChildren(...found.notes.map((one) => element("li", "", one)));
  const isOld = found.body === null; // what was made before stays, faint, while one types
  at("document").classList.toggle("old", isOld);
  at("look").classList.toggle("old", isOld);
  if (isOld) return;
  const texts = found.values.map((one) => JSON.stringify(one, null, 2));
  at("document").textContent = texts.length ? texts.join("\n") : found.body;
  at("look").replaceChildren(...drawn(found.kind, found.look));
}

async function render() {
  if (opened === null) return;
  if (isAsking) {
    isStale = true;
    return;
  }
  isAsking = true;
  isStale = false;
  try {
    show(await ask("/api/render", {
      template: opened.name, source: source.value, event: event.value, destination: destination.value || null,
    }));
    document.body.dataset.rendered = String(Number(document.body.dataset.rendered ?? 0) + 1);
  } finally {
    isAsking = false;
  }
  if (isStale) soon();
}

const renderGuarded = guarded(render);
function soon() {
  clearTimeout(timer);
  timer = setTimeout(renderGuarded, PAUSE);
}

async function openTemplate() {
  if (opened !== null && source.value !== opened.source) drafts.set(opened.name, source.value);
  const wanted = template.value;
  const found = await ask(`/api/template?name=${encodeURIComponent(wanted)}`);
  if (template.value !== wanted) return; // another was chosen meanwhile
  opened = found;
  source.value = opened.source;
  opened.source = source.value; // with the line breaks that browsers make of others
  source.value = drafts.get(opened.name) ?? opened.source;
  name.value = opened.name;
  const purposes = opened.purposes.filter((one) => shelf.examples[one]);
  offer(example, purposes.map((one) => [one, shelf.examples[one].map((text) => [text, text])]));
  const users = new Set(opened.used_by);
  destination.value = [...destination.options].some((one) => one.value === destination.value && users.has(one.value)) ? destination.value : "";
  save.disabled = shelf.folder === null || !opened.can_be_saved;
  save.title = shelf.folder === null ? "the configuration names no templates.directory" : `into ${shelf.folder}`;
  tell(shelf.folder === null ? "The configuration names no templates.directory: nothing can be saved." : `Templates are saved into ${shelf.folder}`);
  await openExample();
}

async function openExample() {
  event.value = (await ask(`/api/example?name=${encodeURIComponent(example.value)}`)).event;
  number();
  await render();
}

async function keep() {
  const [before, saved, written] = [opened, name.value, source.value]; // as they were: one may go on typing
  const version = saved === before.name ? before.version : null;
  const kept = await ask("/api/save", { name: saved, source: written, version });
  drafts.delete(before.name);
  drafts.delete(saved);
  shelf = await ask("/api/shelf");
  const found = await ask(`/api/template?name=${encodeURIComponent(saved)}`);
  const isStillOpen = opened === before;
  choose(isStillOpen ? saved : template.value);
  // The version is of what was written: another page may have saved since.
  if (isStillOpen) opened = { ...found, source: written, version: kept.version };
  tell(`saved: ${kept.file}`, "good");
}

function choose(chosen) {
  const of = (origin) => shelf.templates.filter((one) => one.origin === origin).map((one) => [one.name, one.name]);
  offer(template, [["your own", of("directory")], ["shipped", of("shipped")]]);
  if (chosen) template.value = chosen;
}

for (const [editor, lines] of [[source, at("template-lines")], [event, at("event-lines")]]) {
  editor.addEventListener("input", () => {
    number();
    soon();
  });
  editor.addEventListener("scroll", () => { lines.scrollTop = editor.scrollTop; });
}
template.addEventListener("change", guarded(openTemplate));
example.addEventListener("change", guarded(openExample));
destination.addEventListener("change", renderGuarded);
save.addEventListener("click", guarded(keep));
document.addEventListener("keydown", (pressed) => {
  if ((pressed.ctrlKey || pressed.metaKey) && pressed.key === "s") {
    pressed.preventDefault();
    if (!save.disabled) save.click();
  }
});
window.addEventListener("beforeunload", (leaving) => {
  if (drafts.size || (opened !== null && source.value !== opened.source)) leaving.preventDefault();
});

guarded(async () => {
  shelf = await ask("/api/shelf");
  choose(null);
  destination.append(...shelf.destinations.map((one) => new Option(`${one.name} (${one.kind})`, one.name)));
  await openTemplate();
})();
