import { EditLog } from '../../../src/edits/edit-log.ts';
import { importOf } from '../../../src/edits/import-lines.ts';
import { type EditContext, type ProposedEdit, proposeEdits } from '../../../src/edits/next-edits.ts';
import { occurrencesOf } from '../../../src/edits/tokens.ts';
import { applyEdit } from '../../../src/protocol/text-edit.ts';
import { languageOf } from '../../../src/syntax/trees.ts';
import type { SourceFile } from '../../../src/training/code/corpus.ts';

/** The proposals after a name was written whose import had been removed. */
export interface RemovedImport {
  /** With whether each imports the name from the same module under the same name. */
  readonly proposals: readonly (ProposedEdit & { readonly isRight: boolean })[];
}

const importLine = /^(?:import\s.*\sfrom\s.*|(?:const|let|var)\s.*=\s*require\(.*)$/gm;

/**
 * Takes the first import out of a file whose name is used once, and writes that use again; null if it has none. Only whole lines with one
 * name are taken out.
 */
export async function removeImport(
  { path: file, text }: SourceFile,
  context: EditContext,
): Promise<RemovedImport | null> {
  for (const match of text.matchAll(importLine)) {
    const [line] = match;
    const name = /^(?:import\s+(?:type\s+)?|(?:const|let|var)\s+)(?:\*\s+as\s+)?\{?\s*([\w$]+)\s*\}?\s*(?:from|=)/.exec(
      line,
    )?.[1];
    const original = name === undefined ? null : importOf(name, line, 'javascript');
    if (!name || !original) continue;
    const without = applyEdit(text, { start: match.index, end: match.index + line.length + 1, text: '' });
    const [use, ...others] = occurrencesOf(name, without);
    if (!use || others.length > 0) continue;
    const unwritten = applyEdit(without, { ...use, text: '' });
    const log = new EditLog(0);
    log.record(unwritten, [{ start: use.start, end: use.start, text: name }], 1, 0);
    const document = { name: `/${file}`, languageId: languageOf(file)!, text: without, log };
    const proposals = await proposeEdits(document, context);
    return {
      proposals: proposals.map((proposal) => {
        const lines = applyEdit(without, proposal).split('\n');
        const found = lines.map((one) => importOf(name, one, 'javascript')).find((one) => one !== null);
        return { ...proposal, isRight: found?.module === original.module && found.imported === original.imported };
      }),
    };
  }
  return null;
}
