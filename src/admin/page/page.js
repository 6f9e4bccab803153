// Keeps the page current, and remembers which colours were chosen. Everything else works without this script.
"use strict";

const root = document.documentElement;
const PERIOD = 10_000; // milliseconds

// A browser may forbid the storage; then a choice lasts as long as the page.
function stored(key, value) {
  try {
    if (value === undefined) return localStorage.getItem(key);
    localStorage.setItem(key, value);
  } catch { /* forbidden */ }
  return null;
}

function colours(choice) {
  if (choice === "light" || choice === "dark") root.dataset.theme = choice;
  else delete root.dataset.theme;
}

colours(stored("tlsgate-colours"));

// What had the focus, as it can be found again after its section was replaced.
function marked(element) {
  const section = element?.closest?.("section[id]");
  if (!section) return null;
  const all = [...section.querySelectorAll("a, button, input")];
  const place = all.indexOf(element);
  return { section: section.id, href: element.getAttribute("href"), name: element.textContent, place };
}

function restored(mark) {
  if (!mark || document.activeElement !== document.body) return;
  const section = document.getElementById(mark.section);
  const all = [...(section?.querySelectorAll("a, button, input") ?? [])];
  const same = all.find((other) => other.getAttribute("href") === mark.href && other.textContent === mark.name);
  (same ?? all[mark.place])?.focus({ preventScroll: true });
}

function replaced(fresh) {
  const mark = marked(document.activeElement);
  for (const part of fresh.querySelectorAll("main > section[id]")) {
    const old = document.getElementById(part.id);
    if (old && old.outerHTML !== part.outerHTML) old.replaceWith(document.adoptNode(part));
  }
  for (const id of ["summary", "rendered"]) {
    const [old, part] = [document.getElementById(id), fresh.getElementById(id)];
    // The summary is read out when it changes, so it is left alone while it does not.
    if (old && part && old.innerHTML !== part.innerHTML) old.replaceChildren(...document.adoptNode(part).childNodes);
  }
  document.title = fresh.title;
  restored(mark);
}

// Somebody who selects a text must not lose it.
const isSelecting = () => !(getSelection()?.isCollapsed ?? true);

let asking = null;

async function refresh() {
  if (asking || document.hidden || isSelecting()) return;
  asking = new AbortController();
  const late = setTimeout(() => asking.abort(), PERIOD);
  try {
    const answer = await fetch(location.pathname + location.search, { signal: asking.signal, cache: "no-store" });
    if (answer.ok) replaced(new DOMParser().parseFromString(await answer.text(), "text/html"));
    root.classList.toggle("stale", !answer.ok);
  } catch {
    root.classList.add("stale");
  } finally {
    clearTimeout(late);
    asking = null;
  }
}

function refreshing(button) {
  let timer = null;
  const show = (on) => {
    clearInterval(timer);
    timer = on ? setInterval(refresh, PERIOD) : null;
    button.setAttribute("aria-pressed", String(on));
    button.textContent = on ? "Refresh: on" : "Refresh: off";
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    const on = timer === null;
    stored("tlsgate-refresh", on ? "on" : "off");
    show(on);
    if (on) refresh();
  });
  document.addEventListener("visibilitychange", () => timer !== null && refresh());
  show(stored("tlsgate-refresh") !== "off");
}

function colouring(button) {
  const choices = ["system", "light", "dark"];
  const show = (choice) => {
    colours(choice);
    button.textContent = `Colours: ${choice}`;
  };
  let now = Math.max(0, choices.indexOf(stored("tlsgate-colours") ?? "system"));
  button.hidden = false;
  button.addEventListener("click", () => {
    now = (now + 1) % choices.length;
    stored("tlsgate-colours", choices[now]);
    show(choices[now]);
  });
  show(choices[now]);
}

document.addEventListener("DOMContentLoaded", () => {
  const [refreshButton, coloursButton] = ["refresh", "theme"].map((id) => document.getElementById(id));
  if (refreshButton) refreshing(refreshButton);
  if (coloursButton) colouring(coloursButton);
});
