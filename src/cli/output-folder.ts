import path from 'node:path';
import { dataHome } from '../platform/files.ts';

/** Where a model goes: a bare name stands for a model of that name in the data home. */
export function outputFolder(model: string): string {
  return /^[\w][\w.-]*$/.test(model) ? path.join(dataHome(), 'models', model) : path.resolve(model);
}
