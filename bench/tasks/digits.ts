/** The network of examples/digits, about 10,000 parameters, on random images of the same shape. */
import { digitsModel } from '../../examples/digits/model.ts';
import type { TaskContext } from '../../src/compute/objective/task-module.ts';
import { randomData } from './random-data.ts';

export const model = () => digitsModel(1);
export const data = (_split: string, { tf }: TaskContext) => randomData(tf, [8, 8, 1]);
