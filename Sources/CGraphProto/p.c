int CGraphProto(void){return 0;}
