/** The answers to the questions of `Unmask: Run SPG Eval`. */
export interface EvalChoice {
  /** Names of tasks, in the order in which they are evaluated. */
  readonly suites: readonly string[];
  /** The problem file of each suite, for tasks that do not generate problems. */
  readonly data: Readonly<Record<string, string>>;
  readonly model: string;
  /** Problems per suite; null: all problems of a file, or the number used in the papers. */
  readonly problems: number | null;
}

/** Where answers are computed, from the settings of the window. */
export interface EvalEnvironment {
  readonly engine: string;
  readonly device: string;
}

/** The arguments of `unmask eval` for one suite. */
export function evalArguments(choice: EvalChoice, suite: string, { engine, device }: EvalEnvironment): string[] {
  const data = choice.data[suite];
  return [
    'eval',
    ...['--task', suite, '--model', choice.model],
    ...(data === undefined ? [] : ['--data', data]),
    ...(choice.problems === null ? [] : ['--limit', String(choice.problems)]),
    ...(engine === 'auto' ? [] : ['--engine', engine]),
    ...(device === 'auto' ? [] : ['--device', device]),
  ];
}

/** Parses a number of problems, or "all" as null; undefined for anything else. */
export function parseProblems(text: string): number | null | undefined {
  if (/^\s*all\s*$/i.test(text)) return null;
  const count = Number(text);
  return text.trim() !== '' && Number.isSafeInteger(count) && count >= 1 ? count : undefined;
}
