/** Everything that `Unmask: Run SPG Eval` asks for. */
export interface EvalChoice {
  /** Names of tasks, in the order in which they are evaluated. */
  readonly suites: readonly string[];
  /** The file of a suite's problems, for tasks that make none themselves. */
  readonly data: Readonly<Record<string, string>>;
  readonly model: string;
  /** Problems of each suite; null: all of a file, or as many as the papers take. */
  readonly problems: number | null;
}

/** Where answers are computed, as the window's settings name it. */
export interface EvalSurroundings {
  readonly engine: string;
  readonly device: string;
}

/** The arguments of `unmask eval` for one suite. */
export function evalArguments(choice: EvalChoice, suite: string, { engine, device }: EvalSurroundings): string[] {
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

/** Reads a number of problems, or "all"; undefined for anything else. */
export function parseProblems(text: string): number | null | undefined {
  if (/^\s*all\s*$/i.test(text)) return null;
  const count = Number(text);
  return text.trim() !== '' && Number.isSafeInteger(count) && count >= 1 ? count : undefined;
}
