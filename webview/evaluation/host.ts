import type { EvaluationRequest, EvaluationUpdate } from '../../src/protocol/evaluation.ts';

/** What VS Code gives a page of an extension, once. */
interface VsCodeApi {
  postMessage(message: EvaluationRequest): void;
  setState(state: unknown): void;
}
declare function acquireVsCodeApi(): VsCodeApi;

/** The extension, as the page sees it. */
export interface Host {
  ask(request: EvaluationRequest): void;
  /** Keeps what the page shows, so that it is there again after the window was reloaded. */
  keep(state: { readonly dir: string; readonly against: string | null }): void;
}

export function connectHost(listener: (update: EvaluationUpdate) => void): Host {
  const api = acquireVsCodeApi();
  addEventListener('message', ({ data }: MessageEvent<EvaluationUpdate>) => listener(data));
  return { ask: (request) => api.postMessage(request), keep: (state) => api.setState(state) };
}
