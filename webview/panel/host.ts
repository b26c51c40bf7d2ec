import type { PanelRequest, PanelUpdate } from '../../src/protocol/panel.ts';

/** What VS Code gives a page of an extension, once. */
interface VsCodeApi {
  postMessage(message: PanelRequest): void;
  getState(): unknown;
  setState(state: unknown): void;
}
declare function acquireVsCodeApi(): VsCodeApi;

/** The extension, as the page sees it. */
export interface Host {
  ask(request: PanelRequest): void;
  /** What was kept when the page was there last; undefined the first time. */
  readonly kept: unknown;
  keep(state: unknown): void;
}

export function connectHost(listener: (update: PanelUpdate) => void): Host {
  const api = acquireVsCodeApi();
  addEventListener('message', ({ data }: MessageEvent<PanelUpdate>) => listener(data));
  return { ask: (request) => api.postMessage(request), kept: api.getState(), keep: (state) => api.setState(state) };
}
