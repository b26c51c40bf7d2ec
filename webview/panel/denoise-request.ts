import { element, setText } from '../element.ts';
import { count } from '../numbers.ts';
import { button } from './controls.ts';
import type { Host } from './host.ts';
import type { ViewStore } from './view-state.ts';

/** Maximum number of completions per request. */
const maxAlternatives = 5;

/** The controls that request completions at the cursor, and the progress of the request. */
export interface DenoiseRequest {
  readonly controls: HTMLElement;
  readonly status: HTMLElement;
  readonly state: 'idle' | 'denoising' | 'cancelling';
  /** Whether completions are available; `tooltip` describes what the start button does, or why it is disabled. */
  runtime(ready: boolean, tooltip: string): void;
  report(message: string): void;
  /** Ends the request with a message. */
  end(message: string): void;
}

/** @param started called before a request is sent */
export function denoiseRequest(host: Host, store: ViewStore, started: () => void): DenoiseRequest {
  let state: DenoiseRequest['state'] = 'idle';
  let isReady = false;
  const start = button('Denoise here', 'play', () => {
    report('Denoising\u2026');
    change('denoising');
    started();
    const [seed] = crypto.getRandomValues(new Uint32Array(1));
    host.ask({ kind: 'denoise-here', seed: (seed as number) >>> 1, alternatives: Number(alternatives.value) });
  });
  const stop = () => {
    change('cancelling');
    host.ask({ kind: 'cancel-denoise' });
  };
  const cancel = button('Cancel', 'debug-stop', stop, { secondary: true });
  const alternatives = element(
    'select',
    { 'aria-label': 'Number of alternatives' },
    ...Array.from({ length: maxAlternatives }, (_, index) =>
      element('option', { value: index + 1 }, count(index + 1, 'alternative')),
    ),
  );
  alternatives.value = String(store.state.alternatives);
  alternatives.addEventListener('change', () => store.change({ alternatives: Number(alternatives.value) }));
  const status = element('output', { class: 'status', 'aria-live': 'polite' });

  const report = (message: string) => {
    setText(status, message);
  };
  const change = (next: DenoiseRequest['state']) => {
    state = next;
    start.disabled = !isReady || state !== 'idle';
    cancel.hidden = state === 'idle';
    cancel.disabled = state === 'cancelling';
  };
  change('idle');
  return {
    controls: element('div', { class: 'controls' }, start, alternatives, cancel),
    status,
    get state() {
      return state;
    },
    runtime(ready, tooltip) {
      isReady = ready;
      start.title = tooltip;
      change(state);
    },
    report,
    end(message) {
      report(message);
      change('idle');
    },
  };
}
