import { engines } from '../graph/engines.ts';
import { checkModelStep } from './model-step.ts';

for (const { label, open } of engines) if (label !== 'onnx cpu') checkModelStep(label, open);
