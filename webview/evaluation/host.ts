import type { EvaluationRequest, EvaluationUpdate } from '../../src/protocol/evaluation.ts';

/** The API that VS Code provides to a webview; it can be acquired once. */
interface VsCodeApi {
  postMessage(message: EvaluationRequest): void;
  setState(state: unknown): void;
}
declare function acquireVsCodeApi(): VsCodeApi;

/** The page's connection to the extension. */
export interface Host {
  ask(request: EvaluationRequest): void;
  /** Saves what the page shows, so that it can be restored after reloading the window. */
  keep(state: { readonly dir: string; readonly against: string | null }): void;
}

export function connectHost(listener: (update: EvaluationUpdate) => void): Host {
  const api = acquireVsCodeApi();
  addEventListener('message', ({ data }: MessageEvent<EvaluationUpdate>) => listener(data));
  return { ask: (request) => api.postMessage(request), keep: (state) => api.setState(state) };
}
