// What the page does by itself: buttons that ask the daemon, parts that are fetched anew when something happened,
// and keys for looking through photos. No library, no build: what stands here is what runs.
"use strict";

const message = document.getElementById("message");

function say(text) {
  message.textContent = text;
}

async function ask(address, body) {
  const options = { method: "POST", headers: {} };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const answer = await fetch(address, options).catch(() => null);
  if (answer === null) throw new Error("The daemon does not answer.");
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error([said.title || said.what || "The daemon refused.", said.advice].filter(Boolean).join(" "));
  return said;
}

// ---- status: buttons, and parts that follow what happens ----

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-post]");
  if (!button) return;
  const rest = button.dataset.for;
  button.disabled = true;
  try {
    await ask(button.dataset.post, rest ? { until: Date.now() / 1000 + Number(rest) } : undefined);
    say("Asked for.");
  } catch (error) {
    say(error.message);
  }
  button.disabled = false;
  fetchPart("now");
});

const NOT_LET_IN = "keeprate was started anew and no longer knows this page: open it again with `keeprate web --open`.";
const SHORTEST_WAIT = { now: 500, stands: 2000 }; // milliseconds until a part is fetched
const REST_FACTOR = 10; // so many times as long as that took passes without: the daemon has other things to do
const restsUntil = {};
const waiting = {};

function fetchPart(name) {
  if (!document.getElementById(name) || waiting[name]) return;
  waiting[name] = setTimeout(async () => {
    const part = document.getElementById(name);
    const began = Date.now();
    try {
      const answer = await fetch(part.dataset.live);
      if (answer.ok) replacePart(part, await answer.text());
      else if (answer.status === 401) say(NOT_LET_IN);
    } catch {
      say("The daemon does not answer.");
    }
    waiting[name] = undefined;
    restsUntil[name] = Date.now() + REST_FACTOR * (Date.now() - began);
  }, Math.max(SHORTEST_WAIT[name], (restsUntil[name] || 0) - Date.now()));
}

function replacePart(part, html) {
  const fresh = new DOMParser().parseFromString(`<body>${html}`, "text/html").body;
  if (fresh.innerHTML === part.dataset.html) return;
  part.dataset.html = fresh.innerHTML;
  const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
  part.replaceChildren(...fresh.childNodes);
  if (focused) document.getElementById(focused)?.focus();
}

function follow() {
  const events = new EventSource("/api/v1/events");
  const names = [
    "job.started", "job.finished", "job.failed", "job.waiting", "job.paused", "job.resumed",
    "daemon.started", "daemon.ready", "daemon.stopping", "daemon.reloaded", "daemon.config_rejected", "daemon.failed",
    "library.scanned", "library.offline", "library.online", "photos.embedded", "photos.grouped", "head.promoted",
    "head.kept", "scores.updated", "marks.read", "marks.written", "labels.changed", "disk.full", "catalog.damaged",
    "catalog.checked", "backup.made", "thumbnails.made", "work.made_way", "worker.started", "worker.ended",
    "worker.crashed", "worker.recycled", "clock.leapt", "api.page_unavailable",
  ];
  for (const name of names) {
    events.addEventListener(name, () => {
      fetchPart("now");
      fetchPart("stands");
    });
  }
  for (const name of ["job.progress", "daemon.changed"]) events.addEventListener(name, () => fetchPart("now"));
  let away = false;
  events.addEventListener("error", () => {
    if (!away) say("The daemon does not answer; waiting for it.");
    away = true;
    if (events.readyState === EventSource.CLOSED) { // an answer that is none, such as: not let in
      setTimeout(follow, 5000);
      fetchPart("now");
    }
  });
  events.addEventListener("open", () => {
    if (away) say("The daemon answers again.");
    if (away) { fetchPart("now"); fetchPart("stands"); }
    away = false;
  });
}

// ---- review: labels by button and key ----

const done = []; // what to say to have it as it was before, latest last

function cards() {
  return [...document.querySelectorAll(".photo")];
}

function show(card, bucket) {
  card.dataset.label = bucket || "";
  for (const button of card.querySelectorAll("[data-bucket]")) {
    button.setAttribute("aria-pressed", String(button.dataset.bucket === bucket));
  }
  card.querySelector("[data-withdraw]").disabled = !bucket;
}

async function label(card, bucket) {
  const grid = document.getElementById("photos");
  const before = card.dataset.label || null;
  if (before === bucket) return;
  show(card, bucket);
  try {
    const said = { content_key: card.dataset.key, head: grid.dataset.head, bucket };
    const taken = await ask("/api/v1/labels", { labels: [said] });
    done.push({ undo: taken.undo, key: card.dataset.key, before });
    say(bucket ? `Noted: ${bucket}.` : "Taken back.");
  } catch (error) {
    show(card, before);
    say(error.message);
  }
  afterLabel();
}

async function undo() {
  const last = done.pop();
  if (!last) return;
  try {
    if (last.undo.length) await ask("/api/v1/labels", { labels: last.undo });
    const card = cards().find((one) => one.dataset.key === last.key);
    if (card) {
      show(card, last.before);
      moveTo(card);
    }
    say("Undone.");
  } catch (error) {
    done.push(last);
    say(error.message);
  }
  afterLabel();
}

function afterLabel() {
  document.getElementById("undo").disabled = done.length === 0;
  // photos with a label leave the list: the next part begins so many earlier
  const next = document.getElementById("next");
  if (!next) return;
  const address = new URL(next.href);
  if (address.searchParams.has("all")) return;
  next.dataset.offset ??= address.searchParams.get("offset");
  const left = cards().filter((card) => card.dataset.label).length;
  address.searchParams.set("offset", String(Number(next.dataset.offset) - left));
  next.href = address.href;
}

function moveTo(card) {
  for (const one of cards()) one.tabIndex = one === card ? 0 : -1;
  card.focus();
}

function neighbour(card, key) {
  const all = cards();
  const here = all.indexOf(card);
  if (key === "ArrowLeft") return all[here - 1];
  if (key === "ArrowRight") return all[here + 1];
  if (key === "Home") return all[0];
  if (key === "End") return all[all.length - 1];
  const inRow = all.filter((one) => one.offsetTop === all[0].offsetTop).length;
  return all[here + (key === "ArrowDown" ? inRow : -inRow)];
}

function review() {
  const grid = document.getElementById("photos");
  for (const image of grid.querySelectorAll("img")) {
    const missing = () => {
      const instead = document.createElement("div");
      instead.className = "missing";
      instead.textContent = "No thumbnail yet: the job “Make thumbnails” makes it.";
      image.replaceWith(instead);
    };
    if (image.complete && image.naturalWidth === 0) missing();
    image.addEventListener("error", missing);
  }
  grid.addEventListener("click", (event) => {
    const card = event.target.closest(".photo");
    const button = event.target.closest("button");
    if (!card || !button) return;
    label(card, button.hasAttribute("data-withdraw") ? null : button.dataset.bucket);
    moveTo(card);
  });
  document.getElementById("undo").addEventListener("click", undo);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("select, input")) return;
    if (event.key === "u") {
      undo();
      return;
    }
    const card = document.activeElement.closest?.(".photo") || cards().find((one) => one.tabIndex === 0);
    if (!card) return;
    if (/^(Arrow|Home$|End$)/.test(event.key)) {
      const other = document.activeElement.closest?.(".photo") ? neighbour(card, event.key) : card;
      if (!other) return;
      event.preventDefault();
      moveTo(other);
      return;
    }
    if (event.key === "w") {
      label(card, null);
      return;
    }
    const button = [...card.querySelectorAll("[data-bucket]")].find((one) => one.dataset.shortcut === event.key);
    if (!button) return;
    event.preventDefault();
    label(card, button.dataset.bucket);
    moveTo(neighbour(card, "ArrowRight") || card);
  });
}

if (document.body.dataset.page === "status") follow();
if (document.getElementById("photos")) review();
