"use strict";

const PAGE_SIZE = 10;
const VERDICTS = { true: "True", false: "False", misleading: "Misleading", unproven: "Unproven" };

const form = document.getElementById("ask");
const list = document.getElementById("claims");
const more = document.getElementById("more");
const state = document.getElementById("state");
const template = document.getElementById("claim-template");
const when = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

let older = null; // the id before which the next page begins
let newestLoad = 0; // answers of a load that was overtaken by another are dropped

/** The JSON that the API answers; throws an Error whose message can be shown. */
async function api(path, options) {
  let response;
  try {
    response = await fetch(path, { headers: { "Content-Type": "application/json" }, ...options });
  } catch {
    throw new Error("The server cannot be reached. Check your connection and try again.");
  }
  const body = await response.json().catch(() => ({}));
  if (!response.ok) {
    throw new Error(body.detail || `The server answered ${response.status}. Try again shortly.`);
  }
  return body;
}

function say(id, text, isError = false) {
  const element = document.getElementById(id);
  element.textContent = text;
  element.classList.toggle("error", isError);
}

function link(url) {
  const element = document.createElement("a");
  element.href = url; // the API only takes http and https
  element.rel = "noopener nofollow ugc";
  element.textContent = new URL(url).hostname;
  return element;
}

function card(claim) {
  const item = template.content.firstElementChild.cloneNode(true);
  const verdict = item.querySelector(".verdict");
  verdict.textContent = VERDICTS[claim.verdict] || "Being verified";
  if (claim.verdict) verdict.classList.add(claim.verdict);
  item.querySelector(".text").textContent = claim.claim;
  item.querySelector(".explanation").textContent = claim.explanation || "";
  const meta = item.querySelector(".meta");
  meta.append(`Asked ${claim.asked_by ? `by ${claim.asked_by} ` : ""}on ${when.format(new Date(claim.asked_at))}`);
  if (claim.answered_by) meta.append(` · answered by ${claim.answered_by}`);
  if (claim.source_url) meta.append(" · seen at ", link(claim.source_url));
  return item;
}

async function load({ append = false } = {}) {
  const mine = ++newestLoad;
  const query = new URLSearchParams({ limit: PAGE_SIZE });
  if (state.value) query.set("state", state.value);
  if (append && older) query.set("before", older);
  try {
    const page = await api(`/api/verifications?${query}`);
    if (mine !== newestLoad) return;
    if (!append) list.replaceChildren();
    list.append(...page.items.map(card));
    older = page.next;
    more.hidden = !older;
    say("list-status", list.children.length ? "" : "No claims yet. Be the first to ask.");
  } catch (error) {
    if (mine === newestLoad) say("list-status", error.message, true);
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  const filled = [...new FormData(form)].map(([name, value]) => [name, value.trim()]).filter(([, value]) => value);
  button.disabled = true;
  try {
    await api("/api/verifications", { method: "POST", body: JSON.stringify(Object.fromEntries(filled)) });
    form.reset();
    say("ask-status", "Thank you. Your claim is in the list; a verifier will look at it.");
    await load();
  } catch (error) {
    say("ask-status", error.message, true);
  } finally {
    button.disabled = false;
  }
});

state.addEventListener("change", () => load());
more.addEventListener("click", () => load({ append: true }));
load();
