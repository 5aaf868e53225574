import { condor } from "../../../../competitions/condor/contract.ts";

/** The pack's contract with questions of seconds over the packaged daily bars, five a second: their returns are wider. */
export default condor({
  scales: [
    { horizonSeconds: 3, stepSeconds: 1, everySeconds: 2, bound: 0.2 },
    { horizonSeconds: 2, stepSeconds: 2, everySeconds: 2, bound: 0.3 },
  ],
});
