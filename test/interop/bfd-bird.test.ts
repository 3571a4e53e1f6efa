import { birdBfd } from '../support/routers/bfd.ts';
import { bfdSuite } from '../support/routers/bfd-suite.ts';

bfdSuite(birdBfd);
