// Footnotes open their card, answers can be copied, fragments are fetched. All of it works on
// what the server has written; nothing here makes HTML out of text.
"use strict";
(() => {
  let cameFrom = null;

  function openCard(link) {
    const card = document.getElementById(decodeURIComponent(link.hash.slice(1)));
    if (!card) return false;
    for (const lit of document.querySelectorAll(".card.lit")) lit.classList.remove("lit");
    card.open = true;
    card.classList.add("lit");
    cameFrom = link;
    card.scrollIntoView({ block: "nearest", behavior: "smooth" });
    const head = card.querySelector("summary");
    if (head) head.focus({ preventScroll: true });
    return true;
  }

  async function copy(button) {
    const source = button.parentElement.querySelector(".plain");
    if (!source) return;
    const said = button.textContent;
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
    } catch {
      source.classList.add("shown");
      getSelection().selectAllChildren(source);
      button.textContent = "Select and copy";
    }
    setTimeout(() => { button.textContent = said; }, 2000);
  }

  const doubt = new WeakMap();

  // The first click asks, the second within a few seconds deletes: no dialog, no second button.
  async function remove(button) {
    if (!button.classList.contains("sure")) {
      const said = button.firstChild.textContent;
      button.classList.add("sure");
      button.firstChild.textContent = "Really delete?";
      doubt.set(button, setTimeout(() => {
        button.classList.remove("sure");
        button.firstChild.textContent = said;
      }, 4000));
      return;
    }
    clearTimeout(doubt.get(button));
    button.disabled = true;
    button.firstChild.textContent = "Deleting…";
    const id = button.parentElement.querySelector(".paper-id").textContent;
    let problem = "";
    try {
      const answer = await fetch("/api/papers/" + id, { method: "DELETE", credentials: "same-origin" });
      if (!answer.ok) problem = (await answer.json()).error.message;
    } catch {
      problem = "the server did not answer";
    }
    button.firstChild.textContent = problem ? "Not deleted: " + problem : "Deleted";
    const again = document.querySelector("#refresh-library");
    if (!problem && again) again.click();
    button.disabled = !problem;
  }

  function question() {
    return document.querySelector("#question textarea");
  }

  function put(text) {
    const box = question();
    if (!box) return;
    const tab = [...document.querySelectorAll('[role="tab"]')]
      .find((item) => item.textContent.trim() === "Chat");
    if (tab) tab.click();
    box.value = text;
    box.dispatchEvent(new Event("input", { bubbles: true }));
    setTimeout(() => box.focus(), 50);
  }

  async function fill(link) {
    link.textContent = "Drawing…";
    let answer;
    try {
      answer = await fetch(link.href, { credentials: "same-origin" });
      if (!answer.ok) throw new Error();
    } catch {
      link.textContent = "That did not work. Try again";
      return;
    }
    const box = document.createElement("div");
    box.className = "fragment-body";
    // Written and cleaned by the server, and under a policy that lets no script in it run.
    box.innerHTML = await answer.text();
    link.replaceWith(box);
  }

  document.addEventListener("click", (event) => {
    const at = event.target instanceof Element ? event.target : null;
    const note = at && at.closest("a.fn");
    if (note && openCard(note)) { event.preventDefault(); return; }
    const button = at && at.closest("button.copy");
    if (button) { copy(button); return; }
    const doomed = at && at.closest("button.remove");
    if (doomed) { remove(doomed); return; }
    if (at && at.closest("button.logout")) {
      fetch("/logout", { method: "POST", redirect: "manual" }).then(() => location.assign("/login"));
      return;
    }
    const about = at && at.closest("button.about");
    if (about) { put(about.parentElement.querySelector(".question-text").textContent); return; }
    const fragment = at && at.closest("a.fragment");
    if (fragment) { event.preventDefault(); fill(fragment); return; }
    const tile = at && at.closest("a.tile");
    if (tile && openCard(tile)) event.preventDefault();
  });

  // A new turn comes into view; a draft that grows does not pull a reader down again and again.
  let turns = 0;
  new MutationObserver(() => {
    const all = document.querySelectorAll("#history .turn, #live .turn");
    if (all.length > turns) all[all.length - 1].scrollIntoView({ block: "start" });
    turns = all.length;
  }).observe(document.body, { childList: true, subtree: true });

  // Which conversation is open stands in the address: loading the page again shows it again, and
  // a page that is opened anew begins a new one.
  new MutationObserver(() => {
    const told = document.querySelector("#place .conversation-id");
    if (!told) return;
    const address = new URL(location.href);
    if ((address.searchParams.get("conversation") || "") === told.textContent) return;
    if (told.textContent) address.searchParams.set("conversation", told.textContent);
    else address.searchParams.delete("conversation");
    history.replaceState(history.state, "", address);
  }).observe(document.body, { childList: true, subtree: true, characterData: true });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && cameFrom && cameFrom.isConnected) {
      const card = document.getElementById(cameFrom.hash.slice(1));
      if (card && card.classList.contains("lit")) {
        card.classList.remove("lit");
        cameFrom.focus();
        cameFrom = null;
      }
    }
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName);
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
      const box = question();
      if (box) { event.preventDefault(); box.focus(); }
    }
  });
})();
