import { type PanelUpdate, samplesPerPage } from '../../src/protocol/panel.ts';
import type { ReportSample } from '../../src/protocol/report.ts';
import { element, missing } from '../element.ts';
import { label, number } from '../numbers.ts';
import { button } from './controls.ts';
import type { Host } from './host.ts';
import type { SampleReference } from './saved-denoising.ts';
import type { ViewStore } from './view-state.ts';

type SamplesUpdate = Extract<PanelUpdate, { kind: 'samples' }>;

export interface SamplePages {
  readonly root: HTMLElement;
  /** Sets the shown run and the steps that have samples; requests a page if none is loaded. */
  steps(dir: string, steps: readonly number[]): void;
  show(update: SamplesUpdate): void;
}

/** The completions of each step, one page at a time. */
export function samplePages(
  host: Host,
  store: ViewStore,
  showDenoising: (sample: SampleReference) => void,
): SamplePages {
  const choice = element('select', { 'aria-label': 'Step whose samples are shown' });
  const earlier = element('button', { type: 'button' }, '‹ Previous');
  const later = element('button', { type: 'button' }, 'Next ›');
  const count = element('output', { class: 'counter', 'aria-live': 'polite' });
  const controls = element('div', { class: 'controls' }, earlier, choice, later, count);
  const body = element('div', {});
  let [dir, steps]: [string, readonly number[]] = ['', []];
  let requested: { step: number; offset: number } | null = null;
  let shown: SamplesUpdate | null = null;

  const ask = (step: number, offset: number) => {
    requested = { step, offset };
    shown = null;
    store.change({ samples: { dir, step, offset } });
    host.ask({ kind: 'show-samples', dir, step, offset });
  };
  const enable = () => {
    const at = requested === null ? -1 : steps.indexOf(requested.step);
    if (shown === null) return;
    earlier.disabled = at <= 0 && shown.offset === 0;
    later.disabled = at === steps.length - 1 && shown.offset + samplesPerPage >= shown.total;
  };
  choice.addEventListener('change', () => ask(Number(choice.value), 0));
  earlier.addEventListener('click', () => {
    // A page is being loaded.
    if (requested === null || shown === null) return;
    if (requested.offset > 0) ask(requested.step, Math.max(0, requested.offset - samplesPerPage));
    else ask(steps[steps.indexOf(requested.step) - 1] as number, 0);
  });
  later.addEventListener('click', () => {
    if (requested === null || shown === null) return;
    if (requested.offset + samplesPerPage < shown.total) ask(requested.step, requested.offset + samplesPerPage);
    else ask(steps[steps.indexOf(requested.step) + 1] as number, 0);
  });
  return {
    root: element('div', {}, controls, body),
    steps(nextDir, nextSteps) {
      if (nextDir !== dir) {
        [requested, shown] = [null, null];
        body.replaceChildren();
        choice.replaceChildren();
        count.textContent = '';
      }
      // A resumed run may have rewound its log, which then has fewer steps.
      if (requested !== null && !nextSteps.includes(requested.step)) requested = null;
      [dir, steps] = [nextDir, nextSteps];
      updateOptions(choice, steps);
      controls.hidden = steps.length === 0;
      if (steps.length === 0) body.replaceChildren(missing('Samples appear after the first step.'));
      else if (requested === null) {
        const { samples: kept } = store.state;
        if (kept !== null && kept.dir === dir && steps.includes(kept.step)) ask(kept.step, kept.offset);
        else ask(steps.at(-1) as number, 0);
      }
      if (requested !== null) choice.value = String((requested as { step: number }).step);
      enable();
    },
    show(update) {
      if (update.dir !== dir || update.step !== requested?.step || update.offset !== requested.offset) return;
      shown = update;
      choice.value = String(update.step);
      const { offset, total, records, step } = update;
      count.textContent = total === 0 ? '' : `${offset + 1} to ${offset + records.length} of ${total}`;
      body.replaceChildren(
        ...(records.length === 0
          ? [missing('This step has no samples.')]
          : records.map((record, index) => sampleCard(record, { dir, step, index: offset + index }, showDenoising))),
      );
      enable();
    },
  };
}

/** Appends new options only: a run can have thousands of steps and add one every second. */
function updateOptions(choice: HTMLSelectElement, steps: readonly number[]): void {
  const same = [...choice.options].every((option, index) => option.value === String(steps[index]));
  if (!same) choice.replaceChildren();
  choice.append(
    ...steps.slice(choice.options.length).map((step) => element('option', { value: step }, `Step ${step}`)),
  );
}

function sampleCard(
  { prompt, completion, rewards, advantage }: ReportSample,
  sample: { dir: string; step: number; index: number },
  showDenoising: (sample: SampleReference) => void,
): HTMLElement {
  const title = `Sample ${sample.index + 1}`;
  const parts = Object.entries(rewards).filter(([name]) => name !== 'total');
  const sign = advantage > 0 ? '+' : '';
  const scores: [string, string, string][] = [
    ...(rewards.total === undefined ? [] : [['reward', number(rewards.total), ''] as [string, string, string]]),
    ...parts.map(([name, value]): [string, string, string] => [label(name), number(value), '']),
    [
      'advantage',
      `${sign}${number(advantage)}`.replace('-', '\u2212'),
      advantage > 0 ? 'better' : advantage < 0 ? 'worse' : '',
    ],
  ];
  return element(
    'article',
    { class: 'card sample', 'aria-label': title },
    element(
      'header',
      {},
      element('h3', {}, title),
      element(
        'dl',
        { class: 'scores' },
        ...scores.map(([name, value, kind]) =>
          element('div', {}, element('dt', {}, name), element('dd', { class: kind }, value)),
        ),
      ),
    ),
    element('h4', {}, 'Prompt'),
    element('pre', { tabindex: 0, 'aria-label': `Prompt of ${title}` }, prompt),
    element('h4', {}, 'Completion'),
    element('pre', { tabindex: 0, 'aria-label': `Completion of ${title}` }, completion),
    button('Show denoising', 'play-circle', () => showDenoising({ ...sample, text: completion }), { secondary: true }),
  );
}
