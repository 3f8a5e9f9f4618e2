// The searches among the runs, drawn as on the page of `rechub compare`.

import { ask } from "./api.js";
import { state } from "./state.js";
import { searchWords } from "./texts.js";

export class Searches {
  constructor(root, guarded) {
    this.root = root;
    root.addEventListener("toggle", () => guarded(() => this.load()));
  }

  offer(offered) {
    this.metric = offered.metric;
    this.root.hidden = !offered.searches || Boolean(state.run);
  }

  async load() {
    if (!this.root.open || this.root.hidden) return;
    const { filter } = state;
    const metric = state.metrics[0] ?? this.metric;
    const found = await ask("searches", { filter, metric, sort: "started", order: "asc" });
    // defined by search.js, a script that both pages share
    drawSearches(this.root.lastElementChild, found.searches, searchWords());
  }
}
