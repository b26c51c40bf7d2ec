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

export const workspace = {
  getConfiguration: () => ({ get: () => undefined }),
  asRelativePath: (name: string) => name.replace('/work/', ''),
};

export const QuickPickItemKind = { Separator: -1 };

/** The providers of inline suggestions that were registered. */
export const inlineProviders: { provideInlineCompletionItems(...args: unknown[]): Promise<unknown> }[] = [];
export const languages = {
  registerInlineCompletionItemProvider: (_: unknown, provider: (typeof inlineProviders)[number]) => {
    inlineProviders.push(provider);
    return { dispose: () => undefined };
  },
};

export const CloseAction = { DoNotRestart: 1 };
export const ErrorAction = { Continue: 1 };
export const RevealOutputChannelOn = { Never: 4 };

/** A process that starts at once, and ends when the test allows it. */
export class LanguageClient {
  static readonly live = new Set<LanguageClient>();
  static mayEnd: Promise<void> = Promise.resolve();

  readonly code2ProtocolConverter = { asInlineCompletionParams: (...args: unknown[]) => args };
  readonly protocol2CodeConverter = { asInlineCompletionResult: (result: unknown) => result };
  readonly #closed: () => void;

  constructor(_id: unknown, _name: unknown, _server: unknown, options: { errorHandler: { closed: () => void } }) {
    this.#closed = options.errorHandler.closed;
  }

  onNotification(): void {}

  async sendRequest(_type: unknown, parameters: unknown): Promise<unknown> {
    return { answered: parameters };
  }

  /** Ends the process, as a crash does. */
  crash(): void {
    LanguageClient.live.delete(this);
    this.#closed();
  }

  async sendNotification(): Promise<void> {}

  async start(): Promise<void> {
    LanguageClient.live.add(this);
  }

  async dispose(): Promise<void> {
    await LanguageClient.mayEnd;
    LanguageClient.live.delete(this);
  }
}
