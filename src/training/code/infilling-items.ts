import type { InfillingItem, InfillingKind } from '../../infilling/infilling.ts';
import { Random } from '../../platform/random.ts';
import { commentOrStringAt } from '../../syntax/comments-and-strings.ts';
import { syntaxErrors } from '../../syntax/error-count.ts';
import { languageOf } from '../../syntax/trees.ts';
import type { SourceFile } from './corpus.ts';
import { drawGap, type GapKind } from './gaps.ts';

/** The gap kinds of each benchmark kind. */
const cuts: Readonly<Record<InfillingKind, readonly GapKind[]>> = {
  line: ['line'],
  lines: ['lines', 'block'],
  span: ['span'],
};

/**
 * Draws `count` different gaps in files of languages with a grammar, the kinds in turn. Comments and strings are
 * excluded, where an editor offers no completions by default. Reproducible for a seed; fewer if the files contain too
 * few.
 */
export async function infillingItems(
  files: readonly SourceFile[],
  kinds: readonly InfillingKind[],
  count: number,
  seed = 0,
): Promise<InfillingItem[]> {
  const random = new Random(seed, 'infilling items');
  const items: InfillingItem[] = [];
  const known = new Set<string>();
  for (let attempt = 0; items.length < count && attempt < 50 * count; attempt++) {
    const { package: from, path: name, text } = random.pick(files);
    const kind = kinds[items.length % kinds.length] as InfillingKind;
    const [only, ...others] = cuts[kind];
    const gap = drawGap(text, others.length === 0 ? only! : random.pick(cuts[kind]), 'character', random);
    const language = languageOf(name);
    if (!gap || language === null) continue;
    const { start, end } = gap;
    const index = JSON.stringify([from, name, start, end]);
    if (known.has(index)) continue;
    known.add(index);
    if ((await commentOrStringAt(language, text, start)) !== null) continue;
    items.push({
      kind,
      prefix: text.slice(0, start),
      middle: text.slice(start, end),
      suffix: text.slice(end),
      language,
      errors: (await syntaxErrors(language, text)) ?? 0,
    });
  }
  return items;
}
