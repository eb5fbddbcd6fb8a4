// The table of rows: search, filter, sort, pages, and copying accounts. It loads nothing, and every text of the data
// becomes a text node, never markup.
"use strict";
(() => {
  const { known, listing } = JSON.parse(document.getElementById("data").textContent);
  const table = document.getElementById("table");
  if (!table) return;

  const ROWS_SHOWN = 100;
  const byId = (id) => document.getElementById(id);
  const counted = (number) => number.toLocaleString("en");
  const collator = new Intl.Collator(undefined, { numeric: true });
  const begin = Date.parse(`${listing.since}Z`);

  // What listing.py packed: texts that repeat are numbers of listing.texts, empty texts at the end are left out.
  const rows = listing.rows.map(
    ([row, source, account, name, kind, outcome, reason, detail, seconds, given = "", objectId = "", clientRequestId = "", requestId = ""]) => {
      const text = (number) => listing.texts[number];
      const at = account.lastIndexOf("@") + 1;
      const read = {
        row, account: at ? account.slice(0, at) + text(Number(account.slice(at))) : account, name, given, objectId, clientRequestId, requestId,
        source: text(source), kind: text(kind), outcome: text(outcome), reason: text(reason), detail: text(detail),
        finished: typeof seconds === "number" ? begin + 1000 * seconds : null,
      };
      read.title = known.titles[read.reason] ?? "";
      read.searched = [row, read.source, read.account, name, read.kind, known.words[read.outcome], read.reason, read.title,
        read.detail, given, objectId, clientRequestId, requestId].join("\n").toLowerCase();
      return read;
    },
  );

  // What is shown; a group is one of the reasons above the table.
  const view = { words: [], outcome: null, group: null, sort: null, isDescending: false, page: 0 };

  const compare = {
    row: (a, b) => collator.compare(a.source, b.source) || a.row - b.row,
    account: (a, b) => collator.compare(a.account, b.account),
    outcome: (a, b) => known.urgency.indexOf(a.outcome) - known.urgency.indexOf(b.outcome),
    reason: (a, b) => collator.compare(a.title, b.title) || collator.compare(a.detail, b.detail),
    finished: (a, b) => a.finished - b.finished,
  };
  // Rows that have nothing to be sorted by come last in either direction.
  const isEmpty = {
    account: (row) => row.account === "",
    reason: (row) => row.title === "" && row.detail === "",
    finished: (row) => row.finished === null,
  };

  function found() {
    const [outcome, reason] = view.group === null ? [view.outcome] : known.groups[view.group];
    const chosen = rows.filter((row) =>
      (outcome === null || row.outcome === outcome) &&
      (reason === undefined || row.reason === reason) &&
      view.words.every((word) => row.searched.includes(word)));
    if (view.sort === null) return chosen;
    const isLast = isEmpty[view.sort] ?? (() => false);
    const direction = view.isDescending ? -1 : 1;
    return chosen.sort((a, b) => isLast(a) - isLast(b) || direction * compare[view.sort](a, b));
  }

  function element(name, className, ...children) {
    const made = document.createElement(name);
    if (className) made.className = className;
    made.append(...children);
    return made;
  }

  function cell(className, ...children) {
    const made = element("td", className, ...children);
    made.setAttribute("role", "cell");
    return made;
  }

  const foreign = (text) => element("bdi", "", text);
  const small = (...children) => element("small", "", ...children);
  const time = (milliseconds) => new Date(milliseconds).toISOString().slice(0, 19).split("T");

  function drawn(row) {
    const where = cell("where", element("b", "", row.row));
    if (known.sources > 1) where.append(" ", small(foreign(row.source)));
    const who = cell("who", foreign(row.account || "(blank)"));
    if (row.name) who.append(" ", small(foreign(row.name)));
    if (row.kind) who.append(" ", small(row.kind));
    if (row.given) who.append(" ", small("given as ", foreign(row.given)));
    const what = cell("what", element("span", "pill", known.words[row.outcome]));
    const why = cell("why");
    if (row.title) why.append(element("b", "", row.detail ? `${row.title}:` : row.title), " ");
    why.append(foreign(row.detail));
    if (row.clientRequestId) why.append(" ", element("small", "ids", "client-request-id ", row.clientRequestId));
    if (row.requestId) why.append(" ", element("small", "ids", "request-id ", row.requestId));
    const when = cell("when");
    if (row.finished !== null) {
      const [date, hour] = time(row.finished);
      when.append(element("span", "", date), " ", element("span", "", hour));
    }
    const made = element("tr", row.outcome, where, who, what, why, when);
    made.setAttribute("role", "row");
    return made;
  }

  function draw() {
    const chosen = found();
    const first = view.page * ROWS_SHOWN;
    const last = Math.min(first + ROWS_SHOWN, chosen.length);
    table.tBodies[0].replaceChildren(...chosen.slice(first, last).map(drawn));
    table.hidden = chosen.length === 0;
    byId("shown").textContent = `${counted(chosen.length)} of ${counted(rows.length)} rows`;
    byId("pages").hidden = chosen.length <= ROWS_SHOWN;
    byId("page").textContent = `${counted(first + 1)} to ${counted(last)} of ${counted(chosen.length)}`;
    byId("previous").disabled = view.page === 0;
    byId("next").disabled = last === chosen.length;
    byId("copy-shown").disabled = chosen.length === 0;
    for (const button of document.querySelectorAll("button[data-outcome]")) {
      button.setAttribute("aria-pressed", String(button.dataset.outcome === view.outcome));
    }
    for (const button of table.querySelectorAll("[data-sort]")) {
      const isSorted = button.dataset.sort === view.sort;
      button.closest("th").setAttribute("aria-sort", !isSorted ? "none" : view.isDescending ? "descending" : "ascending");
    }
    const clear = byId("clear");
    clear.hidden = view.group === null;
    if (view.group !== null) {
      const [outcome, reason] = known.groups[view.group];
      clear.textContent = `Only: ${known.titles[reason] ?? known.words[outcome]} \u2715`;
    }
  }

  function show(changes) {
    Object.assign(view, { page: 0 }, changes);
    byId("copy-shown").nextElementSibling.textContent = "";
    draw();
  }

  // What is asked for above the table is shown whole, whatever was searched for before.
  function goToTable(wanted) {
    byId("search").value = "";
    show({ words: [], outcome: null, group: null, ...wanted });
    byId("rows").scrollIntoView();
    byId("rows-heading").focus({ preventScroll: true });
  }

  // Browsers that keep the clipboard from a page on disk still copy what is selected; else the reader does.
  async function copy(accounts, button) {
    const told = button.parentElement.querySelector("output");
    const text = accounts.join("\n");
    const number = accounts.length === 1 ? "1 account" : `${counted(accounts.length)} accounts`;
    try {
      await navigator.clipboard.writeText(text);
      told.textContent = `${number} copied.`;
      return;
    } catch {
      // Falls through to the older way.
    }
    document.querySelector("textarea.clip")?.remove();
    const clip = element("textarea", "clip");
    clip.value = text;
    clip.readOnly = true;
    clip.setAttribute("aria-label", "Accounts to copy");
    told.after(clip);
    clip.focus();
    clip.select();
    if (document.execCommand("copy")) {
      clip.remove();
      button.focus();
      told.textContent = `${number} copied.`;
    } else {
      told.textContent = `Copy the ${number} by hand; they are selected.`;
    }
  }

  // Each account once, however it is written.
  const accountsOf = (chosen) => [...new Map(chosen.filter((row) => row.account)
    .map((row) => [row.account.toLowerCase(), row.account])).values()];

  function accountsOfGroup(index) {
    const [outcome, reason] = known.groups[index];
    return accountsOf(rows.filter((row) => row.outcome === outcome && row.reason === reason));
  }

  document.addEventListener("click", (event) => {
    const pressed = event.target.closest("[data-copy], [data-show], [data-outcome], [data-sort]");
    if (!pressed) return;
    const { copy: copied, show: shown, outcome, sort } = pressed.dataset;
    if (copied !== undefined) {
      copy(accountsOfGroup(Number(copied)), pressed);
    } else if (shown !== undefined) {
      goToTable({ group: Number(shown) });
    } else if (pressed.matches("a")) {
      event.preventDefault();
      goToTable({ outcome });
    } else if (outcome !== undefined) {
      show({ group: null, outcome: view.outcome === outcome ? null : outcome });
    } else {
      show({ sort, isDescending: view.sort === sort && !view.isDescending });
    }
  });

  byId("search").addEventListener("input", (event) =>
    show({ words: event.target.value.toLowerCase().split(/\s+/).filter(Boolean) }));
  byId("clear").addEventListener("click", () => {
    show({ group: null });
    byId("search").focus();
  });
  byId("copy-shown").addEventListener("click", (event) => copy(accountsOf(found()), event.currentTarget));

  function turn(pages) {
    view.page += pages;
    draw();
    byId("rows").scrollIntoView();
    if (byId("previous").disabled) byId("next").focus({ preventScroll: true });
    if (byId("next").disabled) byId("previous").focus({ preventScroll: true });
  }
  byId("previous").addEventListener("click", () => turn(-1));
  byId("next").addEventListener("click", () => turn(1));

  byId("static").hidden = true;
  for (const control of document.querySelectorAll(".controls, .handles")) control.hidden = false;
  for (const button of table.querySelectorAll("[data-sort]")) button.disabled = false;
  draw();
})();
