import * as vscode from 'vscode';
import { cursorRests, type RestingCursor } from '../protocol/runtime.ts';
import { type Runtime, servedDocuments } from './runtime.ts';

/** The cursor rests if it has not moved for this many milliseconds. */
const rest = 250;

/** Tells the runtime where the cursor rests, so that it can read the text there before the first suggestion is requested. */
export function registerReportRestingCursor(context: vscode.ExtensionContext, runtime: Runtime): void {
  let timer: NodeJS.Timeout | undefined;
  const report = ({ document, selections }: vscode.TextEditor) => {
    const [selection, ...others] = selections;
    if (!selection?.isEmpty || others.length > 0 || vscode.languages.match([...servedDocuments], document) === 0)
      return;
    const { line, character } = selection.active;
    const cursor: RestingCursor = { uri: document.uri.toString(), line, character };
    void runtime.notify(cursorRests, cursor);
  };
  const wait = (editor: vscode.TextEditor | undefined) => {
    clearTimeout(timer);
    if (editor) timer = setTimeout(() => editor === vscode.window.activeTextEditor && report(editor), rest);
  };
  context.subscriptions.push(
    vscode.window.onDidChangeActiveTextEditor(wait),
    vscode.window.onDidChangeTextEditorSelection(({ textEditor }) => wait(textEditor)),
    { dispose: () => clearTimeout(timer) },
  );
}
