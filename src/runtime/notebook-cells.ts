import { NotebookCellKind, type NotebookDocuments } from 'vscode-languageserver';
import type { TextDocument } from 'vscode-languageserver-textdocument';

/** Cell magics of IPython after which the cell holds Python; after any other one it holds another language. */
const pythonMagic = /^%%(?:time|timeit|capture|prun|mypy)\b/;
/** Lines for IPython and not for Python: `%matplotlib inline`, `!pip install x`, `name?`. */
const magicLine = /^\s*(?:[%!]|\w[\w.]*\?{1,2}\s*$)/;

/** The code of the cells before a cell of the same language, as one text; empty for a document that is not a cell. */
export function textBeforeCell(notebooks: NotebookDocuments<TextDocument>, document: TextDocument): string {
  const notebook = notebooks.findNotebookDocumentForCell(document.uri);
  const index = notebook?.cells.findIndex((cell) => cell.document === document.uri) ?? -1;
  if (!notebook || index < 1) return '';
  return notebook.cells
    .slice(0, index)
    .filter(({ kind }) => kind === NotebookCellKind.Code)
    .flatMap(({ document: uri }) => notebooks.cellTextDocuments.get(uri) ?? [])
    .filter(({ languageId }) => languageId === document.languageId)
    .map((cell) => codeOf(cell.getText().replaceAll('\r\n', '\n')))
    .filter((code) => code !== '')
    .map((code) => `${code}\n\n`)
    .join('');
}

/** The text of a cell without magics, which are not code of the kernel's language. */
function codeOf(text: string): string {
  if (/^\s*%%/.test(text) && !pythonMagic.test(text.trimStart())) return '';
  const lines = text.split('\n').filter((line) => !magicLine.test(line));
  return lines.join('\n').trim();
}
