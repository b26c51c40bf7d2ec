import type { Json } from '../../protocol/run.ts';

/** When a run ends: after a number of steps, or after a number of seconds of training. */
export type RunLength = { readonly steps: number } | { readonly seconds: number };

/** The answers to the questions of `Unmask: Tune on Task`. */
export interface TuningChoice {
  readonly task: string;
  /** The file of problems to train on, for tasks that do not generate problems. */
  readonly data: string | null;
  readonly objective: string;
  readonly model: string;
  readonly length: RunLength;
  /** Held-out problems that are evaluated before and after; absent: the default of `unmask tune`. */
  readonly testProblems?: number;
}

const units: Readonly<Record<string, number>> = { s: 1, sec: 1, min: 60, m: 60, h: 3600 };

/** Parses "100" as steps, and "90 s", "5 min" and "1.5 h" as a duration; null for anything else. */
export function parseLength(text: string): RunLength | null {
  const [, number = '', unit = ''] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text) ?? [];
  const value = Number(number);
  if (!(value > 0 && value < 1e9)) return null;
  if (unit === '' || /^steps?$/i.test(unit)) return Number.isInteger(value) ? { steps: value } : null;
  const seconds = units[unit.toLowerCase()];
  return seconds === undefined ? null : { seconds: value * seconds };
}

/** Formats a length in the notation that `parseLength` reads. */
export function lengthText(length: RunLength): string {
  if ('steps' in length) return String(length.steps);
  const { seconds } = length;
  if (seconds % 3600 === 0) return `${seconds / 3600} h`;
  return seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`;
}

/** The settings of the window that a tuning run is started with. */
export interface TuningEnvironment {
  readonly engine: string;
  readonly device: string;
  readonly keepCheckpoints: number;
  /** Hyper-parameters by name. */
  readonly hyperparameters: Readonly<Record<string, Json>>;
}

/** The arguments of `unmask tune`. */
export function tuneArguments(choice: TuningChoice, environment: TuningEnvironment): string[] {
  const { task, data, objective, model, length, testProblems } = choice;
  const { engine, device, keepCheckpoints, hyperparameters } = environment;
  const set = { keep_checkpoints: keepCheckpoints, ...hyperparameters };
  return [
    'tune',
    ...['--task', task, '--objective', objective, '--model', model],
    ...('steps' in length ? ['--steps', String(length.steps)] : ['--time-limit', String(length.seconds)]),
    ...(testProblems === undefined ? [] : ['--test', String(testProblems)]),
    ...(data === null ? [] : ['--data', data]),
    ...(engine === 'auto' ? [] : ['--engine', engine]),
    ...(device === 'auto' ? [] : ['--device', device]),
    // A string is passed without quotes. The program would read it with quotes too, but the log is easier to read.
    ...Object.entries(set).flatMap(([name, value]) => [
      '--set',
      `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
    ]),
  ];
}
