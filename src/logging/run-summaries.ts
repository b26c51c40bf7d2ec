/**
 * What trackers show of a run, under the names that TRL's trainers give them: a metric of a training step is `train/NAME`, of an
 * evaluation on validation problems `eval/NAME`.
 */
import type { Evaluation, StepEvent } from '../protocol/events.ts';
import type { RunConfiguration } from '../protocol/run.ts';
import type { SampleRecord } from '../protocol/sample.ts';
import type { Summary } from './tfevents.ts';

/** Number of completions that are shown as text for each step, and the number of characters of each. */
const shownSamples = 4;
const shownCharacters = 4_000;

/** A number and its name. */
export interface Scalar {
  readonly tag: string;
  readonly scalar: number;
}

export function stepScalars(event: StepEvent): Scalar[] {
  return Object.entries(event)
    .filter(([name]) => name !== 'step' && name !== 'time')
    .map(([name, scalar]) => ({ tag: `train/${name}`, scalar }));
}

/** The metrics of an evaluation with the ends of their intervals, and its other measures. */
export function evaluationScalars({ split, metrics, measures = {}, n, seconds }: Evaluation): Scalar[] {
  const group = split === 'validation' ? 'eval' : split;
  return [
    ...Object.entries(metrics).flatMap(([name, { value, low, high }]) => [
      { tag: `${group}/${name}`, scalar: value },
      { tag: `${group}/${name}/low`, scalar: low },
      { tag: `${group}/${name}/high`, scalar: high },
    ]),
    ...Object.entries(measures).map(([name, scalar]) => ({ tag: `${group}/${name}`, scalar })),
    { tag: `${group}/num_samples`, scalar: n },
    { tag: `${group}/runtime`, scalar: seconds },
  ];
}

/** The configuration, as the Trainer of Hugging Face logs its arguments. */
export function configurationText(configuration: RunConfiguration): Summary {
  return { tag: 'args', text: fenced(JSON.stringify(configuration, null, 2)) };
}

/** Some completions of a step as text, and the distributions of rewards, advantages, lengths and confidences of all of them. */
export function sampleSummaries(samples: readonly SampleRecord[]): Summary[] {
  const texts = samples.slice(0, shownSamples).map(sampleText).join('\n\n---\n\n');
  const rewards = [...new Set(samples.flatMap((sample) => Object.keys(sample.rewards)))];
  const distributions: { tag: string; values: number[] }[] = [
    ...rewards.map((name) => ({
      tag: `train/rewards/${name}`,
      values: samples.flatMap((sample) => sample.rewards[name] ?? []),
    })),
    { tag: 'train/advantages', values: samples.map(({ advantage }) => advantage) },
    { tag: 'train/completions/characters', values: samples.map(({ completion }) => completion.length) },
    { tag: 'train/completions/confidence', values: samples.flatMap(({ confidence }) => confidence) },
  ];
  return [
    ...(texts === '' ? [] : [{ tag: 'train/completions', text: texts }]),
    ...distributions.filter(({ values }) => values.length > 0),
  ];
}

function sampleText({ prompt, completion, rewards, advantage }: SampleRecord): string {
  const scores = Object.entries(rewards).map(([name, value]) => `${name} ${rounded(value)}`);
  return [
    `${[...scores, `advantage ${rounded(advantage)}`].join(', ')}\n`,
    `prompt\n\n${fenced(prompt)}\n`,
    `completion\n\n${fenced(completion)}`,
  ].join('\n');
}

const rounded = (value: number): string => String(Number(value.toPrecision(4)));

/** A text as a block of code in Markdown, so that nothing in it is markup. */
function fenced(text: string): string {
  const shown = text.length > shownCharacters ? `${text.slice(0, shownCharacters)}…` : text;
  const longest = Math.max(2, ...[...shown.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}\n${shown}\n${fence}`;
}
