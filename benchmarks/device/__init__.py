"""What reading an image prompt costs on a GPU, in minutes, with torch, numpy and `lib_indetail` alone."""
