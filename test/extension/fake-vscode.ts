/** A replacement for `vscode` and `vscode-languageclient/node`, with what starting the runtime needs of them. */
export class EventEmitter<T> {
  readonly #listeners = new Set<(value: T) => void>();
  readonly event = (listener: (value: T) => void) => {
    this.#listeners.add(listener);
    return { dispose: () => this.#listeners.delete(listener) };
  };

  fire(value: T): void {
    for (const listener of [...this.#listeners]) listener(value);
  }

  dispose(): void {
    this.#listeners.clear();
  }
}

export const workspace = { getConfiguration: () => ({ get: () => undefined }) };

export const CloseAction = { DoNotRestart: 1 };
export const ErrorAction = { Continue: 1 };
export const RevealOutputChannelOn = { Never: 4 };

/** A process that starts at once, and ends when the test allows it. */
export class LanguageClient {
  static readonly live = new Set<LanguageClient>();
  static mayEnd: Promise<void> = Promise.resolve();

  onNotification(): void {}

  async sendNotification(): Promise<void> {}

  async start(): Promise<void> {
    LanguageClient.live.add(this);
  }

  async dispose(): Promise<void> {
    await LanguageClient.mayEnd;
    LanguageClient.live.delete(this);
  }
}
