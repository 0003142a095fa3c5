
BprobabilitiesJ("p7;É+§:&Ây?L»:»∫;ÖﬂË:‚°z;Ì»T;ä¢;*ã§;