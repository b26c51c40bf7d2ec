import * as z from 'zod';
import { mostComparedRuns, type PanelRequest, panelCommands } from '../../protocol/panel.ts';

const dir = z.string().min(1).max(4096);
const step = z.int().min(0);
const index = z.int().min(0);

/**
 * The requests of a page. A page is not trusted, because it shows text that a model generated. The receiver checks
 * whether a directory belongs to a known run.
 */
const panelRequest = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('ready'), shown: dir.nullable(), compared: z.array(dir).max(mostComparedRuns) }),
  z.object({ kind: z.literal('show-run'), dir: dir.nullable() }),
  z.object({ kind: z.literal('compare-run'), dir, compare: z.boolean() }),
  z.object({ kind: z.literal('show-samples'), dir, step, offset: index }),
  z.object({ kind: z.literal('denoise-sample'), dir, step, index: index }),
  z.object({ kind: z.literal('denoise-here'), seed: z.int().min(0), alternatives: z.int().min(1).max(10) }),
  z.object({ kind: z.literal('cancel-denoise') }),
  z.object({ kind: z.literal('insert'), text: z.string().max(100_000) }),
  z.object({ kind: z.literal('copy'), text: z.string().max(1_000_000) }),
  z.object({ kind: z.literal('control'), dir, want: z.enum(['run', 'pause', 'stop']) }),
  z.object({ kind: z.literal('delete-run'), dir }),
  z.object({ kind: z.literal('view'), view: z.string().max(10_000_000) }),
  z.object({ kind: z.literal('command'), command: z.enum(panelCommands) }),
]) satisfies z.ZodType<PanelRequest>;

/** Parses a message of the page; null if it is not a valid request. */
export function parsePanelRequest(message: unknown): PanelRequest | null {
  return panelRequest.safeParse(message).data ?? null;
}
