import type { CompletionOutcome, CompletionTrace, TracedAlternative } from '../protocol/runtime.ts';
import type { CompletionQuery } from './completion-query.ts';

/** The candidates of a request, and how much the model computed for them. */
export interface CompletionResult {
  readonly alternatives: readonly TracedAlternative[];
  /** How much the model computed; null if it was not run. */
  readonly model: ModelWork | null;
}

/** How much the model computed for a request. */
export interface ModelWork {
  /** The name of the model; null if it has none. */
  readonly name: string | null;
  readonly contextTokens: number;
  readonly forwards: number;
  readonly tokensPerForward: number;
}

/** Records the decisions about a request, with times. */
export class DecisionPath {
  readonly id: number;
  /** The version of the cache when the request began (see `Completions`). */
  readonly cacheVersion: number;
  readonly #query: CompletionQuery;
  readonly #now: () => number;
  readonly #begin: number;
  readonly #steps: string[] = [];
  readonly #milliseconds: Record<string, number> = {};
  #outcome: CompletionOutcome = 'failed';
  #reason = '';
  #multiline: boolean | null = null;
  #result: CompletionResult | null = null;
  #source: CompletionTrace['source'] = null;

  constructor(query: CompletionQuery, id: number, now: () => number, cacheVersion: number) {
    this.cacheVersion = cacheVersion;
    this.#query = query;
    this.id = id;
    this.#now = now;
    this.#begin = now();
    this.step(query.trigger === 'invoked' ? 'Triggered by a command.' : 'Triggered by typing or by moving the cursor.');
    if (query.suggestionList === 'continued')
      this.step("VS Code's suggestion list is open, so the suggestion begins with its selected item.");
  }

  /** Time since the request arrived, with one digit. */
  get seconds(): string {
    return ((this.#now() - this.#begin) / 1000).toFixed(1);
  }

  /** Adds a sentence to the path. */
  step(sentence: string): void {
    this.#steps.push(sentence);
  }

  /** Records the outcome, with its reason as the last sentence. */
  end(outcome: CompletionOutcome, reason: string): void {
    this.#outcome = outcome;
    this.#reason = reason;
    this.step(reason);
  }

  /** Records whether one line or several may be suggested. */
  recordLines(singleLine: boolean, mode: string): void {
    this.#multiline = !singleLine;
    this.step(`${singleLine ? 'Single line' : 'Multiple lines'} at this position (multiline: ${mode}).`);
  }

  /** Records the candidates and their source. */
  recordResult(result: CompletionResult | null, source: CompletionTrace['source']): void {
    this.#result = result;
    this.#source = source;
  }

  /** Records how long a phase took. */
  recordTime(phase: string, milliseconds: number): void {
    this.#milliseconds[phase] = milliseconds;
  }

  /** Runs the work of a phase and records its time. */
  async timed<T>(phase: string, work: () => Promise<T>): Promise<T> {
    const begin = this.#now();
    try {
      return await work();
    } finally {
      this.recordTime(phase, this.#now() - begin);
    }
  }

  trace(): CompletionTrace {
    const { uri, line, character, languageId, trigger } = this.#query;
    this.recordTime('total', this.#now() - this.#begin);
    return {
      id: this.id,
      time: new Date(this.#begin).toISOString(),
      uri,
      line,
      character,
      languageId,
      trigger,
      outcome: this.#outcome,
      reason: this.#reason,
      path: [...this.#steps],
      source: this.#source,
      multiline: this.#multiline,
      alternatives: this.#result?.alternatives ?? [],
      model: this.#result?.model?.name ?? null,
      contextTokens: this.#result?.model?.contextTokens ?? null,
      forwards: this.#source === 'model' ? (this.#result?.model?.forwards ?? null) : 0,
      tokensPerForward: this.#result?.model?.tokensPerForward ?? null,
      milliseconds: { ...this.#milliseconds },
    };
  }
}
