import type { PanelRequest, PanelUpdate } from '../../src/protocol/panel.ts';

/** The API that VS Code provides to a webview; it can be acquired once. */
interface VsCodeApi {
  postMessage(message: PanelRequest): void;
  getState(): unknown;
  setState(state: unknown): void;
}
declare function acquireVsCodeApi(): VsCodeApi;

/** The page's connection to the extension. */
export interface Host {
  ask(request: PanelRequest): void;
  /** The state that the page saved last, or that another page handed over; undefined the first time. */
  readonly kept: unknown;
  keep(state: unknown): void;
}

export function connectHost(listener: (update: PanelUpdate) => void): Host {
  const api = acquireVsCodeApi();
  addEventListener('message', ({ data }: MessageEvent<PanelUpdate>) => listener(data));
  return {
    ask: (request) => api.postMessage(request),
    kept: api.getState() ?? handedOver(),
    keep: (state) => api.setState(state),
  };
}

/** The state of the page from which this one was opened; undefined if there is none. */
function handedOver(): unknown {
  const { view } = document.body.dataset;
  return view === undefined ? undefined : JSON.parse(view);
}
