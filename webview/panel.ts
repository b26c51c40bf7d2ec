import '@vscode/codicons/dist/codicon.css';
import './page.css';
import './panel/theme.css';
import './panel.css';
import { mostComparedRuns, type PanelUpdate } from '../src/protocol/panel.ts';
import { element } from './element.ts';
import { collapsible } from './panel/collapsible.ts';
import { denoiseView } from './panel/denoise-view.ts';
import { connectHost } from './panel/host.ts';
import { lastSuggestion } from './panel/last-suggestion.ts';
import { notices } from './panel/notices.ts';
import { runList } from './panel/run-list.ts';
import { runView } from './panel/run-view.ts';
import { viewStore } from './panel/view-state.ts';
import { spacePlays } from './player-controls.ts';

/** The page of the panel: shows updates from the extension, and sends requests to it. */
const host = connectHost((update) => receive(update));
const store = viewStore(host.kept, host.keep);
host.ask({ kind: 'ready', shown: store.state.shown, compared: store.state.compared });
const problems = notices();
const denoising = denoiseView(host, store);
const suggestion = lastSuggestion(host);
denoising.root.append(collapsible(store, 'suggestion', 'Last suggestion', suggestion.root));
const list = runList(host, {
  choose(dir) {
    const compared = store.state.compared.filter((other) => other !== dir);
    if (compared.length < store.state.compared.length) host.ask({ kind: 'compare-run', dir, compare: false });
    store.change({ shown: dir, compared });
    list.mark(dir, compared);
    host.ask({ kind: 'show-run', dir });
  },
  compare(dir, compare) {
    markCompared(dir, compare);
    host.ask({ kind: 'compare-run', dir, compare });
  },
});
const run = runView(host, store, denoising.showSample);

document.body.append(
  element(
    'main',
    { class: 'panel' },
    problems.root,
    denoising.root,
    element(
      'section',
      { class: 'training', 'aria-label': 'Training' },
      collapsible(store, 'runs', 'Runs', list.root),
      run.root,
    ),
  ),
);
list.mark(store.state.shown, store.state.compared);
document.addEventListener('keydown', (event) => {
  if (event.key !== ' ' || event.defaultPrevented || !spacePlays(event.target)) return;
  if (denoising.togglePlay()) event.preventDefault();
});

function markCompared(dir: string, compare: boolean): void {
  const others = store.state.compared.filter((other) => other !== dir);
  const unchanged = compare && others.length < store.state.compared.length;
  if (!unchanged) store.change({ compared: compare ? [...others, dir].slice(-mostComparedRuns) : others });
  list.mark(store.state.shown, store.state.compared);
}

function receive(update: PanelUpdate): void {
  switch (update.kind) {
    case 'runtime':
      denoising.runtime(update);
      break;
    case 'runs':
      list.show(update.runs);
      break;
    case 'run': {
      if (update.role === 'shown') {
        store.change({ shown: update.contents?.run.dir ?? null });
        list.mark(store.state.shown, store.state.compared);
        run.show(update.contents);
      } else {
        markCompared(update.dir, update.contents !== null);
        run.compare(update.dir, update.contents);
      }
      break;
    }
    case 'events':
      list.update(update.run);
      run.append(update);
      break;
    case 'samples':
      run.samples(update);
      break;
    case 'sample-denoising':
      denoising.sample(update);
      break;
    case 'completion-frame':
      denoising.liveFrame(update.frame);
      break;
    case 'denoise-frame':
      denoising.frame(update.alternative, update.frame);
      break;
    case 'denoised':
      denoising.denoised(update.result);
      break;
    case 'suggestion':
      suggestion.show(update.trace);
      break;
    case 'reveal-run':
      run.root.scrollIntoView({ block: 'start' });
      break;
    case 'hand-over':
      denoising.save();
      host.ask({ kind: 'view', view: JSON.stringify(store.state) });
      break;
    case 'failed':
      // No error for a request that the user cancelled.
      if (update.request === 'denoise-here' && denoising.failed() === 'cancelled') return;
      problems.show(update.reason);
      break;
  }
}
