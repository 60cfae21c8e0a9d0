// What makes the pages live. Without it they can be read, and reloaded.
"use strict";

const MOST_LINES = 5000;

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

async function problemOf(answer) {
  try {
    return await answer.json();
  } catch {
    return { title: `${answer.status} ${answer.statusText}`, detail: "", errors: [] };
  }
}

function moveOn(answer) {
  // Whoever is not known any more logs in and comes back.
  if (answer.status === 401) {
    location.href = `/login?to=${encodeURIComponent(location.pathname + location.search)}`;
    return true;
  }
  return false;
}

// A part of a page in place of the one that is there; what is open stays open, and the focus.
function replacePart(old, text) {
  const found = new DOMParser().parseFromString(text, "text/html").getElementById(old.id);
  if (!found || old.outerHTML === found.outerHTML) return;
  const focused = document.activeElement;
  if (old.contains(focused) && focused !== document.body) return; // somebody reads or chooses there
  const open = [...old.querySelectorAll("details")].map((each) => each.open);
  const places = [...old.querySelectorAll(".scroll")].map((each) => each.scrollLeft);
  old.replaceWith(document.adoptNode(found));
  if (found.querySelectorAll("details").length === open.length)
    found.querySelectorAll("details").forEach((each, index) => (each.open = open[index]));
  found.querySelectorAll(".scroll").forEach((each, index) => (each.scrollLeft = places[index] ?? 0));
}

function lookAgain() {
  const part = document.querySelector("[data-again]");
  if (!part) return;
  const period = Number(part.dataset.again);
  setInterval(async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (answer.ok && !answer.redirected) replacePart(document.getElementById(part.id), await answer.text());
    } catch { /* the server is away: what is known stays */ }
  }, period);
}

function followRun() {
  const log = document.querySelector("[data-log]");
  if (!log) return;
  const page = log.querySelector(".log");
  const nothing = log.querySelector("[data-nothing]");
  const stream = new EventSource(log.dataset.log);
  let waiting = false;
  let again = false;
  async function renew() {
    if (waiting) { again = true; return; }
    waiting = true;
    try {
      const answer = await fetch(log.dataset.part);
      if (answer.ok && !answer.redirected) replacePart(document.getElementById("live"), await answer.text());
    } catch { /* the next change tries again */ }
    setTimeout(() => { waiting = false; if (again) { again = false; renew(); } }, 500);
  }
  stream.addEventListener("log", (event) => {
    const line = JSON.parse(event.data);
    const bottom = page.scrollHeight - page.scrollTop - page.clientHeight < 40;
    nothing.hidden = true;
    const source = line.stream === "taskmgr" ? "system" : line.stream;
    page.append(element("span", { className: source, textContent: `${line.step}  ${line.text}\n` }));
    while (page.childElementCount > MOST_LINES) page.firstElementChild.remove();
    if (bottom) page.scrollTop = page.scrollHeight;
  });
  let first = true;
  stream.addEventListener("run", () => { if (!first) renew(); first = false; });
  stream.addEventListener("end", () => {
    stream.close();
    if (document.getElementById("live").dataset.status === "running") renew();
  });
}

function actions() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-post]");
    if (!button) return;
    if (button.dataset.ask && !confirm(button.dataset.ask)) return;
    button.disabled = true;
    const answer = await fetch(button.dataset.post, { method: "POST" });
    if (moveOn(answer)) return;
    if (answer.ok) {
      const made = answer.headers.get("Location");
      if (made) location.href = made.replace("/v1", "");
      return;
    }
    button.disabled = false;
    alert((await problemOf(answer)).detail);
  });
  document.querySelectorAll("[data-submit]").forEach((each) =>
    each.addEventListener("change", () => each.form.submit()));
  document.querySelectorAll("[data-seek]").forEach((each) =>
    each.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = each.querySelector("input").value.trim();
      if (text) location.href = /^sha256:/.test(text) || /^[0-9a-f]{64}$/.test(text)
        ? `/lineage/${encodeURIComponent(text)}` : `/runs/${encodeURIComponent(text)}`;
    }));
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.target.matches("input, textarea, select")) {
      event.preventDefault();
      document.getElementById("seek")?.focus();
    }
  });
}

function told(field, text) {
  const place = field.querySelector(".told");
  field.classList.toggle("wrong", Boolean(text));
  place.classList.toggle("trouble", Boolean(text));
  place.textContent = text || place.dataset.help;
  const control = field.querySelector("input, textarea, select");
  if (text) control.setAttribute("aria-invalid", "true"); else control.removeAttribute("aria-invalid");
}

// The value of a field; undefined where it was left out.
function valueOf(field) {
  const control = field.querySelector("input, textarea, select");
  const { kind } = field.dataset;
  if (kind === "boolean") return control.checked;
  if (kind === "picture" || kind === "file") return control.files[0];
  if (control.value === "") {
    if ("required" in field.dataset && kind === "text") return "";
    return undefined;
  }
  if (kind === "text") return control.value;
  if (kind === "number" || kind === "integer") {
    const number = Number(control.value.replace(",", "."));
    if (Number.isNaN(number)) throw new Error(`${control.value} is no number`);
    return number;
  }
  try {
    return JSON.parse(control.value);
  } catch (error) {
    throw new Error(`this is not JSON: ${error.message}`);
  }
}

function dropping(field) {
  const drop = field.querySelector(".drop");
  if (!drop) return;
  const input = drop.querySelector("input");
  const picture = drop.querySelector("img");
  for (const [name, over] of [["dragover", true], ["dragleave", false], ["drop", false]])
    drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.toggle("over", over); });
  drop.addEventListener("drop", (event) => {
    if (event.dataTransfer.files.length) input.files = event.dataTransfer.files;
    input.dispatchEvent(new Event("change"));
  });
  input.addEventListener("change", () => {
    const file = input.files[0];
    const shown = file && file.type.startsWith("image/");
    picture.hidden = !shown;
    if (shown) {
      picture.src = URL.createObjectURL(file);
      picture.alt = file.name;
    }
    told(field, "");
  });
}

function forms() {
  document.querySelectorAll("form[data-run]").forEach((form) => {
    const fields = [...form.querySelectorAll("[data-field]")];
    const all = form.querySelector("[data-told]");
    fields.forEach(dropping);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const body = new FormData();
      const inputs = {};
      let wrong = false;
      all.textContent = "";
      for (const field of fields) {
        told(field, "");
        try {
          const value = valueOf(field);
          if (value === undefined && "required" in field.dataset) throw new Error("give it a value");
          if (value instanceof File) body.append(field.dataset.field, value);
          else if (value !== undefined) inputs[field.dataset.field] = value;
        } catch (error) {
          told(field, error.message);
          wrong = true;
        }
      }
      if (wrong) { form.querySelector(".wrong input, .wrong textarea")?.focus(); return; }
      const request = { name: form.dataset.run, inputs };
      if (form.dataset.version) request.version = form.dataset.version;
      // As a text: a Blob would be sent as a file, with a name.
      body.append("request", JSON.stringify(request));
      const button = form.querySelector("button.main");
      button.disabled = true;
      try {
        const answer = await fetch("/v1/runs", { method: "POST", body });
        if (moveOn(answer)) return;
        if (answer.ok) {
          location.href = `/runs/${(await answer.json()).run_id}`;
          return;
        }
        const problem = await problemOf(answer);
        const left = [];
        for (const each of problem.errors ?? []) {
          const name = (each.pointer ?? "").split("/")[2]?.split("[")[0];
          const field = fields.find((one) => one.dataset.field === name);
          if (field) told(field, each.detail); else left.push(each.detail);
        }
        if (left.length || !(problem.errors ?? []).length) all.textContent = [problem.detail, ...left].join("\n");
        form.querySelector(".wrong input, .wrong textarea")?.focus();
      } catch {
        all.textContent = "The server does not answer; nothing was submitted. Try again.";
      } finally {
        button.disabled = false;
      }
    });
  });
}

lookAgain();
followRun();
actions();
forms();
