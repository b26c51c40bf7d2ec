import * as vscode from 'vscode';

/** Messages that the extension showed, and the automatic answers to them. */
export class Messages {
  readonly shown: string[] = [];
  readonly #original = {
    showErrorMessage: vscode.window.showErrorMessage,
    showWarningMessage: vscode.window.showWarningMessage,
    showInformationMessage: vscode.window.showInformationMessage,
  };

  /** Answers each message whose text matches with one of its buttons, and dismisses all others. */
  constructor(answers: readonly (readonly [message: RegExp, button: string])[] = []) {
    const answer = (message: string) => {
      this.shown.push(message);
      return Promise.resolve(answers.find(([text]) => text.test(message))?.[1]);
    };
    Object.assign(vscode.window, {
      showErrorMessage: answer,
      showWarningMessage: answer,
      showInformationMessage: answer,
    });
  }

  restore(): void {
    Object.assign(vscode.window, this.#original);
  }
}

/** Waits until the condition holds; after a minute, fails with the current value. */
export async function eventually<T>(what: string, look: () => T | Promise<T>, isSo: (value: T) => boolean): Promise<T> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const value = await look();
    if (isSo(value)) return value;
    if (Date.now() > deadline) throw new Error(`${what}: still ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
